//! A pipelined connection to a node: requests go out in batches, answers come back in order.
//!
//! A handle ([`Connection`]) takes requests; one task writes, reads, keeps the deadlines and connects anew.
//! The task runs behind the clients that woke it, so everything that they asked in one turn of the worker
//! leaves in one system call; large values leave as they come.

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::dialect::{Dialect, Unwelcome};
use super::history::Reason;
use super::node::{Node, Settings};
use super::pending::{Line, Pending};
use super::talk::Talk;
use crate::memory::Charge;
use crate::metrics::LinkCells;
use crate::model::{Endpoint, FailureKind, Reply, ReplyTo, Request};
use crate::net::Stream;
use crate::wire::Outbox;

/// So much is written as soon as it is there, while it is in the processor's cache: 64 KiB. Smaller requests leave together
/// at the end of the turn.
const HEAVY: usize = 64 * 1024;

/// The bytes that wait on one connection even when memory is scarce.
pub(super) const SHARE: usize = 4 * 1024 * 1024;

/// A connection of one worker, made and kept by a task of its own.
pub(super) struct Connection {
    pub(super) node: Arc<Node>,
    settings: RefCell<Arc<Settings>>,
    endpoint: Endpoint,
    pub(super) cells: LinkCells,
    /// How many of the requests in `state.line` are counted as in flight.
    inflight: Cell<u64>,
    /// What the requests in `state.line` weigh, and the items of the read that is being answered.
    pub(super) charge: Charge,
    pub(super) state: RefCell<State>,
    /// The socket while there is one.
    pub(super) way: RefCell<Option<Stream>>,
    /// How often bytes went out.
    pub(super) departures: Cell<u64>,
    task: RefCell<Waker>,
    /// Breaks a wait when the connection is suspended, resumed or closed.
    changed: Notify,
}

/// What the handle and the task share.
pub(super) struct State {
    phase: Phase,
    /// What is to be written.
    pub(super) outbox: Outbox,
    /// What was asked and not answered yet.
    pub(super) line: Line,
    /// How many bytes were put into `outbox` on this connection.
    put: u64,
    /// How many of them were written.
    pub(super) written: u64,
    pub(super) closing: bool,
    /// What the node says instead of letting ketch in.
    denied: Option<Bytes>,
    /// The node is out: it is asked nothing, and nobody connects to it.
    pub(super) suspended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// On the way: requests are kept, for `connect_timeout` at the most.
    Connecting,
    /// Connected.
    Up,
    /// The last attempt failed: requests are refused at once until another succeeds.
    Down,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// Nobody needs it any more and nothing is owed.
    #[error("it is not needed any more")]
    Finished,
    /// The node closed it.
    #[error("the node closed it")]
    Closed,
    /// The socket failed.
    #[error(transparent)]
    Broken(io::Error),
    /// The node said what is no answer.
    #[error("the answer is not the protocol")]
    Garbage,
    /// Nothing came for several requests in a row.
    #[error("no answer within request_timeout, several times in a row")]
    Silent,
    /// The node was put out.
    #[error("the node is ejected")]
    Suspended,
}

impl Connection {
    /// Begins to connect, in a task of the running worker.
    pub(super) fn open(node: Arc<Node>, endpoint: Endpoint, cells: LinkCells, charge: Charge) -> Rc<Self> {
        let state = State {
            phase: Phase::Connecting,
            outbox: Outbox::new(),
            line: Line::default(),
            put: 0,
            written: 0,
            closing: false,
            denied: None,
            suspended: false,
        };
        let settings = RefCell::new(node.settings());
        let connection = Rc::new(Self {
            node,
            settings,
            endpoint,
            cells,
            inflight: Cell::new(0),
            charge,
            state: RefCell::new(state),
            way: RefCell::default(),
            departures: Cell::new(0),
            task: RefCell::new(Waker::noop().clone()),
            changed: Notify::new(),
        });
        tokio::task::spawn_local(connection.clone().keep());
        connection
    }

    /// Sends a request with the next batch, or answers at once that it can't be sent.
    pub(super) fn ask(&self, request: Rc<Request>, reply_to: ReplyTo, since: Option<Instant>) {
        if let Some(line) = self.node.dialect.refusal(&request, &self.node.pool) {
            return reply_to.answer(Reply::Refused(line));
        }
        if self.state.borrow().suspended && self.node.health.service().is_asked() {
            self.suspend(false); // it was let in a moment ago, and this worker is yet to be told
        }
        let settings = self.settings();
        let mut state = self.state.borrow_mut();
        let refusal = match state.phase {
            _ if state.suspended => Some(FailureKind::Ejected),
            Phase::Down => Some(FailureKind::Unreachable),
            _ if state.line.len() >= settings.max_inflight => Some(FailureKind::Overloaded),
            _ if !has_room(&self.charge, &request) => Some(FailureKind::Memory),
            _ => None,
        };
        if let Some(kind) = refusal {
            let reply = state.refusal(kind);
            drop((state, settings)); // whoever hears the answer may ask again
            self.cells.node.count(&reply);
            return reply_to.answer(reply);
        }
        let idle = state.line.is_stamped();
        let deadline = since.map(|since| since + settings.request_timeout);
        let start = state.spell(&request, false, &self.node.dialect, settings.value_size);
        state.line.push(Pending::new(request, reply_to, start, deadline));
        if idle {
            // Even when the socket is full: the task is to begin its time.
            self.task.borrow().wake_by_ref();
        }
        if state.outbox.len() >= HEAVY {
            drop((state, settings));
            self.hasten();
        }
    }

    /// Writes before the end of the turn, and lets go of the values that are out.
    #[cold]
    fn hasten(&self) {
        let before = self.state.borrow().written;
        // What the socket did not take, or an error, is for the task, which was woken.
        let is_out = matches!(self.depart(), Ok(Poll::Ready(())));
        if is_out && self.node.dialect.hears_once() {
            let lighter = self.state.borrow_mut().line.lighten(before);
            self.charge.give_back(lighter);
        }
    }

    /// Writes what there is, as far as the socket takes it; pending when it is full. Then, and after an error, the task is
    /// to see to the rest.
    #[inline]
    pub(super) fn depart(&self) -> io::Result<Poll<()>> {
        let way = self.way.borrow();
        let Some(way) = &*way else { return Ok(Poll::Pending) };
        let state = &mut *self.state.borrow_mut();
        state.line.stamp(self.settings().request_timeout, Instant::now);
        let (count, result) = way.write_from(&mut state.outbox);
        if count > 0 {
            state.written += count as u64;
            self.departures.set(self.departures.get() + 1);
        }
        result
    }

    /// How it is to be used.
    #[inline]
    pub(super) fn settings(&self) -> Ref<'_, Arc<Settings>> {
        self.settings.borrow()
    }

    /// From the next request on, it is used so.
    pub(super) fn adopt(&self, settings: &Arc<Settings>) {
        self.settings.replace(settings.clone());
    }

    /// See [`super::Link::departures`].
    pub(super) fn departures(&self) -> u64 {
        self.departures.get()
    }

    /// Ends the connection once nothing is owed on it.
    pub(super) fn close(&self) {
        self.state.borrow_mut().closing = true;
        self.stir();
    }

    /// Follows the node's service: out of it, what is owed fails, the socket is broken off, and nobody connects.
    pub(super) fn suspend(&self, suspended: bool) {
        let state = &mut *self.state.borrow_mut();
        if state.suspended == suspended {
            return;
        }
        state.suspended = suspended;
        if !suspended && state.phase == Phase::Down {
            state.phase = Phase::Connecting;
        }
        self.stir();
    }

    fn stir(&self) {
        self.task.borrow().wake_by_ref();
        self.changed.notify_one();
    }

    /// Lets go of a request that the node has answered, and hands over the answer.
    #[inline]
    pub(super) fn settle(&self, request: &Request, reply_to: Option<ReplyTo>, reply: Reply) {
        self.charge.give_back(request.weight());
        if let Some(reply_to) = reply_to {
            self.cells.node.count(&reply);
            reply_to.answer(reply);
        }
    }

    /// Tells how many requests wait for the node; once a batch.
    pub(super) fn tell_inflight(&self) {
        let now = self.state.borrow().line.len() as u64;
        self.cells.node.inflight.shift(self.inflight.replace(now), now);
    }

    /// Has `cx` woken when there is something to write.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.will_wake(cx.waker()) {
            cx.waker().clone_into(&mut task);
        }
    }

    /// The life of the task: connects, talks, and begins again until nobody needs it.
    async fn keep(self: Rc<Self>) {
        let mut backoff = Backoff::default();
        while !self.is_finished() {
            if self.state.borrow().suspended {
                backoff.reset();
                self.refuse(FailureKind::Ejected);
                self.changed.notified().await;
                continue;
            }
            let wait = backoff.next();
            if !wait.is_zero() {
                self.refuse(FailureKind::Unreachable);
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.changed.notified() => continue,
                }
            }
            let begun = Instant::now();
            let connected = tokio::select! {
                connected = timeout(self.patience(), self.reach()) => connected,
                () = self.changed.notified() => continue,
            };
            match connected {
                Err(_) => self.missed(&"no connection within connect_timeout"),
                Ok(Err(Unwelcome::Failed(error))) => self.missed(&error),
                Ok(Err(Unwelcome::Denied(line))) => self.denied(line),
                Ok(Ok(stream)) => {
                    self.connected(begun);
                    self.way.replace(Some(stream));
                    let mut talk = Talk::new(&self);
                    let end = talk.run().await;
                    self.way.take();
                    if talk.has_heard() {
                        backoff.reset();
                    }
                    self.ended(&end);
                }
            }
        }
    }

    fn is_finished(&self) -> bool {
        let state = self.state.borrow();
        state.closing && state.line.is_empty()
    }

    async fn reach(&self) -> Result<Stream, Unwelcome> {
        let mut stream = Stream::connect(&self.endpoint).await?;
        self.node.dialect.greet(&mut stream).await?;
        Ok(stream)
    }

    fn connected(&self, begun: Instant) {
        let mut state = self.state.borrow_mut();
        state.phase = Phase::Up;
        state.denied = None;
        state.line.stamp(self.settings().request_timeout, || begun);
        self.cells.node.connections.shift(0, 1);
    }

    /// How long the attempt to connect may take: no longer than what waits has time for.
    fn patience(&self) -> Duration {
        let settings = self.settings();
        let left = self.state.borrow().line.deadline().map(|deadline| deadline - Instant::now());
        settings.connect_timeout.min(left.unwrap_or(settings.request_timeout))
    }

    /// The node lives, and does not let ketch in: clients hear its words until somebody sets it right.
    fn denied(&self, line: Bytes) {
        if self.state.borrow().denied.as_ref() != Some(&line) {
            let (pool, node) = (&self.node.pool, &self.node.name);
            tracing::warn!(pool, node, answer = %line.escape_ascii(), "the node does not let ketch in");
        }
        self.state.borrow_mut().denied = Some(line);
        self.refuse(FailureKind::Unreachable);
    }

    fn missed(&self, why: &dyn fmt::Display) {
        self.state.borrow_mut().denied = None;
        self.node.failed(Reason::Unreachable, why);
        self.refuse(FailureKind::Unreachable);
    }

    /// From now on, and for all that waits: there is no connection.
    fn refuse(&self, kind: FailureKind) {
        let waiting = self.state.borrow_mut().reset(Phase::Down);
        let refusal = self.state.borrow().refusal(kind);
        for pending in waiting {
            let reply = if pending.again { Reply::maybe_sent(kind) } else { refusal.clone() };
            self.settle(&pending.request, pending.reply_to, reply);
        }
        self.tell_inflight();
    }

    /// Settles what the connection owed: what may be sent again is, once, and the rest has failed.
    fn ended(&self, end: &End) {
        self.cells.node.connections.shift(1, 0);
        let owes = !self.state.borrow().line.is_empty();
        match end {
            End::Garbage => self.node.failed(Reason::Garbage, end),
            End::Closed | End::Broken(_) if owes => self.node.failed(Reason::Closed, end),
            // If the node is gone, the next attempt says so; time-outs were told one by one.
            End::Closed | End::Broken(_) | End::Finished | End::Silent | End::Suspended => {}
        }
        tracing::debug!(pool = self.node.pool, node = self.node.name, %end, "connection ended");
        let written = self.state.borrow().written;
        let waiting = self.state.borrow_mut().reset(Phase::Connecting);
        for mut pending in waiting {
            let unsent = pending.start >= written;
            let may = !pending.again && (unsent || pending.request.is_idempotent());
            if may && pending.reply_to.is_some() && !matches!(end, End::Suspended) {
                pending.again = !unsent;
                self.state.borrow_mut().send(pending, &self.node.dialect, self.settings().value_size);
                continue;
            }
            let failure = if unsent && !pending.again { Reply::never_sent } else { Reply::maybe_sent };
            self.settle(&pending.request, pending.reply_to, failure(end.kind()));
        }
        self.tell_inflight();
    }
}

/// Whether there is room for a request that waits for a node; then it is charged. A large value was kept some when its
/// client was let send it.
#[inline]
#[must_use]
pub fn has_room(charge: &Charge, request: &Request) -> bool {
    charge.add_fairly(request.weight(), SHARE) || charge.add_admitted(request.value_len())
}

impl State {
    /// Sends again what was sent before.
    pub(super) fn send(&mut self, mut pending: Pending, dialect: &Dialect, value_size: usize) {
        pending.start = self.spell(&pending.request, pending.whole, dialect, value_size);
        self.line.push(pending);
    }

    /// Has a request written, with `whole` its script in full; where its first byte stands in the stream.
    #[inline]
    fn spell(&mut self, request: &Request, whole: bool, dialect: &Dialect, value_size: usize) -> u64 {
        let (start, before) = (self.put, self.outbox.len());
        dialect.encode(request, value_size, whole, &mut self.outbox);
        self.put += (self.outbox.len() - before) as u64;
        start
    }

    /// What is said to what cannot be sent; while there is no connection, in the words of the node if it has any.
    fn refusal(&self, kind: FailureKind) -> Reply {
        match (&self.denied, kind) {
            (Some(line), FailureKind::Unreachable) => Reply::Refused(line.clone()),
            _ => Reply::never_sent(kind),
        }
    }

    /// Forgets the connection; gives what it owed.
    fn reset(&mut self, phase: Phase) -> impl Iterator<Item = Pending> + use<> {
        self.phase = phase;
        self.outbox = Outbox::new();
        (self.put, self.written) = (0, 0);
        self.line.take()
    }
}

impl End {
    /// How a request that was waiting has failed.
    fn kind(&self) -> FailureKind {
        match self {
            Self::Finished | Self::Closed | Self::Broken(_) => FailureKind::Closed,
            Self::Garbage => FailureKind::Garbage,
            Self::Silent => FailureKind::Timeout,
            Self::Suspended => FailureKind::Ejected,
        }
    }
}
