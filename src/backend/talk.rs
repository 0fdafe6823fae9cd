//! One established connection: what is written, read, and run out of time on it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::{Connection, End, SHARE};
use super::dialect::Decoder;
use super::history::Reason;
use super::pending::Pending;
use crate::memory::make_room;
use crate::metrics::{Command, Took};
use crate::model::{FailureKind, Reply};
use crate::wire::Garbage;

/// Room for a read of many small replies.
const CHUNK: usize = 32 * 1024;
/// The most room made at once for a large value; more is made as its bytes arrive.
const GROWTH: usize = 256 * 1024;
/// Room for so many times what has come of a value is made at once: it need not be moved again.
const TRUST: usize = 32;
/// A connection on which requests ran out of time so often, and nothing came since, is replaced.
const PATIENCE: u32 = 3;

/// The task's half of a connection while it is up.
pub(super) struct Talk<'a> {
    connection: &'a Connection,
    buffer: BytesMut,
    decoder: Decoder,
    /// How much of the connection's charge is for what the decoder holds.
    held: usize,
    /// Goes off at or before the next deadline; moved only when it does.
    alarm: Pin<Box<Sleep>>,
    armed: bool,
    /// How often requests ran out of time since the node last said something.
    overdue: u32,
    heard: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            buffer: BytesMut::new(),
            decoder: connection.node.dialect.decoder(connection.settings().value_size),
            held: 0,
            alarm: Box::pin(sleep_until(Instant::now())),
            armed: false,
            overdue: 0,
            heard: false,
        }
    }

    /// Whether the node has answered on this connection at all.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Writes and reads until the connection ends. Dropping the future drops what is owed with it.
    pub(super) async fn run(&mut self) -> End {
        let end = poll_fn(|cx| self.poll(cx)).await;
        self.connection.charge.free(self.held);
        end
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.connection.listen(cx);
        if self.connection.state.borrow().suspended {
            self.connection.way.borrow().as_ref().inspect(|way| way.abort());
            return Poll::Ready(End::Suspended);
        }
        loop {
            if let Err(error) = self.write(cx) {
                return Poll::Ready(End::Broken(error));
            }
            match self.read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(End::Closed),
                Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error)),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break,
            }
            if self.deliver().is_err() {
                return Poll::Ready(End::Garbage);
            }
        }
        self.connection.tell_inflight();
        self.keep_time(cx)
    }

    /// Writes what there is, as far as the socket takes it.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.connection.depart()?.is_pending() {
            let way = self.connection.way.borrow();
            if way.as_ref().is_none_or(|way| way.poll_writable(cx).is_pending()) {
                break;
            }
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let len = self.buffer.len();
        let room = match self.decoder.wanted().min(GROWTH.max(TRUST * len)) {
            wanted if wanted == 0 || len < CHUNK => wanted.max(CHUNK / 4),
            wanted => wanted, // what it is the end of is not moved for more room
        };
        make_room(&mut self.buffer, room, CHUNK);
        match &mut *self.connection.way.borrow_mut() {
            Some(way) => pin!(way.read_buf(&mut self.buffer)).poll(cx),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Hands over every whole answer that was read.
    fn deliver(&mut self) -> Result<(), ()> {
        self.overdue = 0;
        let mut read = 0;
        let result = self.deliver_behind(&mut read);
        self.buffer.advance(read);
        result
    }

    /// Leaves what it has handed over, `read` bytes, at the front of the buffer.
    fn deliver_behind(&mut self, read: &mut usize) -> Result<(), ()> {
        let mut watch = Watch::start();
        while *read < self.buffer.len() {
            let mut state = self.connection.state.borrow_mut();
            let asked = state.line.front().ok_or(())?; // nobody asked: what the node says is out of step
            let reply = match self.decoder.decode_behind(read, &asked.request, &mut self.buffer) {
                Ok(Some(reply)) => reply,
                Ok(None) => {
                    self.hold();
                    return Ok(());
                }
                Err(Garbage(_)) => return Err(()),
            };
            if self.held > 0 {
                self.hold();
            }
            self.heard = true;
            let Some(pending) = state.line.pop() else { return Err(()) };
            if self.decoder.lacks_script() {
                // It was not carried out; what was asked behind it is carried out before it.
                let value_size = self.connection.settings().value_size;
                state.send(pending.in_full(), &self.connection.node.dialect, value_size);
                continue;
            }
            drop(state); // whoever hears the answer may ask again
            // Taken apart, so that it is not moved as a whole once more.
            let Pending { request, reply_to, asked, .. } = pending;
            if reply_to.is_some() {
                self.connection.node.answered();
                self.connection.cells.took(Command::of(&request), watch.took(asked));
            }
            self.connection.settle(&request, reply_to, reply);
        }
        Ok(())
    }

    /// Charges what the decoder holds of an unfinished read, or has it let go.
    fn hold(&mut self) {
        let charge = &self.connection.charge;
        charge.free(std::mem::replace(&mut self.held, self.decoder.held()));
        if !charge.add_fairly(self.held, SHARE) {
            self.decoder.give_up();
            self.held = 0;
        }
    }

    /// Answers for the node what has run out of time, and sets the alarm for what has not.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let deadline = {
                let state = self.connection.state.borrow();
                if state.closing && state.line.is_empty() {
                    return Poll::Ready(End::Finished);
                }
                state.line.deadline()
            };
            match deadline {
                Some(deadline) if !self.armed || deadline < self.alarm.deadline() => {
                    self.alarm.as_mut().reset(deadline);
                    self.armed = true;
                }
                None if !self.armed => return Poll::Pending,
                _ => {}
            }
            ready!(self.alarm.as_mut().poll(cx));
            self.armed = false;
            if self.expire() {
                self.overdue += 1;
                self.connection.node.failed(Reason::Timeout, &"no answer within request_timeout");
            }
            if self.overdue >= PATIENCE {
                return Poll::Ready(End::Silent);
            }
        }
    }

    /// Whether any request was late.
    fn expire(&self) -> bool {
        let now = Instant::now();
        let mut any = false;
        loop {
            let late = self.connection.state.borrow_mut().line.expire(now);
            let Some((reply_to, command, asked)) = late else { return any };
            any = true;
            let failure = Reply::maybe_sent(FailureKind::Timeout);
            self.connection.cells.took(command, Took::new(now.saturating_duration_since(asked)));
            self.connection.cells.node.count(&failure);
            reply_to.answer(failure);
        }
    }
}

/// Times the answers of one read by one look at the clock: those that were asked together took equally long.
struct Watch {
    now: Instant,
    asked: Option<Instant>,
    took: Took,
}

impl Watch {
    fn start() -> Self {
        Self { now: Instant::now(), asked: None, took: Took::default() }
    }

    #[inline]
    fn took(&mut self, asked: Option<Instant>) -> Took {
        if self.asked != asked {
            self.asked = asked;
            self.took = Took::new(self.now.saturating_duration_since(asked.unwrap_or(self.now)));
        }
        self.took
    }
}
