//! A client's way out: the replies that it is owed and the socket that they leave by.
//!
//! A reply does not wake the client's session, which has nothing to do with it: the outlet goes on the worker's list of
//! those that are [`Due`], and all that are on it are written together, behind the nodes that were heard in the same
//! turn. Replies of a pipeline wait a moment for each other there. What is heavy is written as it comes. A session is woken
//! for what only it can do: to wait for a full socket, to read on, to end.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use mio::event::Event;
use mio::{Registry, Token};
use tokio::time::Instant;

use super::due::Due;
use super::replies::{News, Replies};
use super::worker::Close;
use crate::memory::{Charge, LARGE};
use crate::metrics::DoorCells;
use crate::model::{FailureKind, Receive, Reply, ReplyTo};
use crate::net::Socket;
use crate::wire::{Inbox, Outbox, Spelling};

/// So often a client is written to as replies come, after some have waited for others in vain: it asks slow nodes too.
const HASTE: u8 = 16;
/// So much is written as soon as it is there: 16 KiB. Less leaves at the end of the turn, which costs less for what is small.
const HEAVY: usize = 16 * 1024;

/// What a client's session and the worker's list share.
pub(super) struct Outlet {
    me: Weak<Self>,
    due: Rc<Due>,
    /// Whether a reply has come whose turn it is, and was not collected yet.
    is_due: Cell<bool>,
    /// Until when what is due waits for what is still owed: its time in [`Due`], by which it is found there.
    held: Cell<Option<Instant>>,
    /// So often it does not wait.
    haste: Cell<u8>,
    /// What the client is owed.
    pub(super) replies: Replies,
    /// `None` once the client has left.
    socket: RefCell<Option<Socket>>,
    cells: Arc<DoorCells>,
    /// What the socket did not take.
    rest: RefCell<Option<Box<Outbox>>>,
    /// Whether it has taken some of that since this was last asked.
    drains: Cell<bool>,
    /// The session is to finish what it owes and close.
    is_closing: Cell<bool>,
    session: RefCell<Waker>,
    attention: Cell<Attention>,
}

/// What the session does meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attention {
    /// It runs, or waits for the socket to take more: it writes what comes itself. Or it has ended: nobody writes.
    Writing,
    /// It waits for the client to say something.
    Reading,
    /// It waits for replies to leave, so that it may read on, or end.
    Watching,
}

impl Outlet {
    /// The way out by `socket` for replies that are charged to `charge`, and may hold `share` bytes of it even when memory
    /// is scarce.
    pub(super) fn new(socket: Socket, cells: Arc<DoorCells>, due: Rc<Due>, charge: Charge, share: usize) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            due,
            is_due: Cell::new(false),
            held: Cell::new(None),
            haste: Cell::new(0),
            replies: Replies::new(charge, share),
            socket: RefCell::new(Some(socket)),
            cells,
            rest: RefCell::default(),
            drains: Cell::new(false),
            is_closing: Cell::new(false),
            session: RefCell::new(Waker::noop().clone()),
            attention: Cell::new(Attention::Writing),
        })
    }

    /// Whether the session was told to close.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Whether everything that was collected has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.borrow().is_none()
    }

    /// Whether a client that is slow to take its replies has taken some since this was last asked.
    pub(super) fn has_drained(&self) -> bool {
        self.drains.take()
    }

    /// A place behind all that was asked so far, for what is spelled like this; `None` where there is no room for the
    /// question itself: then that is the answer.
    #[inline]
    pub(super) fn owe(&self, spelling: Spelling) -> Option<ReplyTo> {
        match (self.replies.owe(spelling), self.me.upgrade()) {
            (Some(tag), Some(me)) => Some(ReplyTo::new(me, tag)),
            _ => {
                self.say(format!("SERVER_ERROR {}\r\n", FailureKind::Memory.message()));
                None
            }
        }
    }

    /// An answer of ketch's own (with its line end), behind all that was asked so far.
    pub(super) fn say(&self, lines: impl Into<Bytes>) {
        self.note(self.replies.say(lines.into()));
    }

    /// An answer of ketch's own that is made when its turn comes, so that it tells of all before it.
    pub(super) fn say_later(&self, lines: impl FnOnce() -> String + 'static) {
        self.note(self.replies.say_later(lines));
    }

    /// Tells the client that nothing more comes.
    pub(super) fn shut(&self) -> io::Result<()> {
        self.with_socket(|socket| socket.shut())
    }

    /// The client has left: the socket is closed, and nobody waits for what nodes still have to say.
    pub(super) fn leave(&self) {
        self.attention.set(Attention::Writing);
        self.socket.take();
        self.replies.forgo();
        // The charge outlives the session where nodes have still to answer, but these bytes do not.
        self.replies.charge().free(self.rest.take().map_or(0, |rest| rest.len()));
    }

    /// Has the kernel tell of the socket by `token`.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.with_socket(|socket| socket.register(registry, token))
    }

    /// The kernel has told of the socket; whether that is news to the session.
    #[inline]
    pub(super) fn hear(&self, event: &Event) -> bool {
        self.socket.borrow_mut().as_mut().is_some_and(|socket| {
            socket.hear(event);
            socket.is_readable() || !self.is_empty()
        })
    }

    #[inline]
    fn with_socket<T>(&self, act: impl FnOnce(&mut Socket) -> io::Result<T>) -> io::Result<T> {
        self.socket.borrow_mut().as_mut().map_or_else(|| Err(io::ErrorKind::NotConnected.into()), act)
    }

    /// This is the session's task.
    pub(super) fn know(&self, cx: &Context<'_>) {
        self.session.borrow_mut().clone_from(cx.waker());
    }

    /// Does something as the session's task, outside of it.
    #[inline]
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut Context<'_>) -> T) -> T {
        act(&mut Context::from_waker(&self.session.borrow()))
    }

    /// The session runs.
    #[inline]
    pub(super) fn begin(&self) {
        self.attention.set(Attention::Writing);
    }

    /// The session waits.
    pub(super) fn wait(&self, attention: Attention) {
        self.attention.set(attention);
        if self.is_due.get() {
            self.enlist();
        }
    }

    #[inline]
    fn note(&self, news: News) {
        if news == News::Nothing && !self.is_due.get() {
            return;
        }
        let is_first = !self.is_due.replace(true);
        if self.replies.here() >= HEAVY && self.settle_now() {
            return;
        }
        if is_first || news == News::Whole && self.held.take().is_some() {
            self.enlist();
        }
    }

    /// Writes what is due while it is in the processor's cache, and before the next one needs memory; `false` where it
    /// leaves with what else is due, or the desk is in use.
    #[cold]
    fn settle_now(&self) -> bool {
        let is_free = !self.may_wait() && self.attention.get() != Attention::Writing;
        let desk = self.due.desk.try_borrow_mut();
        is_free
            && desk.is_ok_and(|mut desk| {
                self.settle(&mut desk);
                true
            })
    }

    /// Whether something is due that may wait for what the client is still owed.
    ///
    /// It may not where the client waits for it to leave, so that it may be read from, nor where much would be held, nor
    /// soon after it was in vain.
    pub(super) fn may_wait(&self) -> bool {
        self.is_due.get()
            && !self.replies.are_whole()
            && self.attention.get() == Attention::Reading
            && self.haste.get() == 0
            && self.replies.here() < LARGE
    }

    /// What is due waits until then; `false` where it waits already.
    pub(super) fn hold(&self, until: Instant) -> bool {
        if self.held.get().is_some() {
            return false;
        }
        self.held.set(Some(until));
        true
    }

    /// Whether what is due still waits, and until then.
    pub(super) fn is_held(&self, until: Instant) -> bool {
        self.held.get() == Some(until)
    }

    /// It has waited in vain.
    pub(super) fn let_go(&self) {
        self.held.set(None);
        self.haste.set(HASTE);
    }

    #[inline]
    fn enlist(&self) {
        if self.attention.get() != Attention::Writing
            && let Some(me) = self.me.upgrade()
        {
            self.due.add(me);
        }
    }

    /// Writes what is due, and has the session see to what that leaves.
    #[inline]
    pub(super) fn settle(&self, desk: &mut Outbox) {
        if self.attention.get() == Attention::Writing {
            return;
        }
        self.haste.set(self.haste.get().saturating_sub(1));
        let all = matches!(self.write(desk), Ok(Poll::Ready(())));
        if !all || self.attention.get() == Attention::Watching {
            self.stir();
        }
    }

    /// Writes every reply whose turn it is; pending when the socket is full. What it did not take stays, after an error
    /// too.
    #[inline]
    pub(super) fn write(&self, desk: &mut Outbox) -> io::Result<Poll<()>> {
        if self.is_due.get() || !self.is_empty() { self.write_out(desk) } else { Ok(Poll::Ready(())) }
    }

    fn write_out(&self, desk: &mut Outbox) -> io::Result<Poll<()>> {
        if let Some(mut rest) = self.rest.take() {
            let (count, result) = self.send(&mut rest);
            self.replies.charge().free(count);
            self.drains.set(self.drains.get() || count > 0);
            if !rest.is_empty() {
                self.rest.replace(Some(rest));
                return result;
            }
        }
        if !self.is_due.replace(false) {
            return Ok(Poll::Ready(()));
        }
        self.held.set(None);
        self.replies.collect(desk);
        let (_, result) = self.send(desk);
        if !desk.is_empty() {
            self.replies.charge().keep(desk.len());
            self.rest.replace(Some(Box::new(std::mem::take(desk))));
        }
        result
    }

    fn send(&self, out: &mut Outbox) -> (usize, io::Result<Poll<()>>) {
        let (count, result) = match &mut *self.socket.borrow_mut() {
            Some(socket) => socket.write_from(out),
            None => (0, Err(io::ErrorKind::NotConnected.into())),
        };
        self.cells.bytes_written.add(count as u64);
        (count, result)
    }

    /// Reads at most `most` bytes behind what `input` holds, as far as there is room; how much that was, 0 at the end.
    /// Pending when nothing has come.
    #[inline]
    pub(super) fn read(&self, input: &mut Inbox, most: usize) -> io::Result<Poll<usize>> {
        let read = self.with_socket(|socket| socket.read(input.end(), most));
        if let Ok(Poll::Ready(count)) = read {
            self.cells.bytes_read.add(count as u64);
        }
        read
    }

    /// Whether there may be something to read.
    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.socket.borrow().as_ref().is_some_and(Socket::is_readable)
    }

    pub(super) fn stir(&self) {
        self.session.borrow().wake_by_ref();
    }
}

impl Receive for Outlet {
    #[inline]
    fn receive(&self, tag: u64, reply: Reply) {
        self.note(self.replies.receive(tag, reply));
    }
}

impl Close for Outlet {
    fn close(&self) {
        self.is_closing.set(true);
        self.stir();
    }

    fn allow(&self, share: usize) {
        self.replies.allow(share);
        self.stir();
    }
}
