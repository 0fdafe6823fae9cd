//! What a lane has asked and not heard: counts the answers and hands them to all who wait for them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use slab::Slab;
use smallvec::smallvec;
use tokio::time::Instant;

use super::coalesce::Flights;
use super::pool::{Ejected, Policy};
use crate::backend::Link;
use crate::metrics::{Command, Outcome, PoolCells};
use crate::model::{Failure, FailureKind, Meta, MetaReply, MetaStatus, Receive, Reply, ReplyTo, Request};

/// The open calls of a lane.
pub(super) struct Calls {
    /// Itself: every request carries it as its return address.
    me: Weak<Self>,
    cells: Arc<PoolCells>,
    policy: Cell<Policy>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    open: Slab<Call>,
    flights: Flights,
}

/// The way to whoever is asked; or why nobody is.
pub(super) type Way = Result<Rc<Link>, FailureKind>;

/// One request that is under way, and everybody who waits for its answer.
pub(super) struct Call {
    pub(super) link: Way,
    hash: u64,
    command: Command,
    pub(super) reply_to: ReplyTo,
    /// Under which identical reads find it, while they do.
    pub(super) print: Option<u64>,
    /// What was asked; kept for reads only, which may be shared, asked again, or made a miss.
    pub(super) question: Option<Request>,
    /// Who joined before it was sent.
    pub(super) joined: Vec<ReplyTo>,
    /// Who came after it was sent: the next call is theirs.
    waiting: Vec<ReplyTo>,
    /// When the first of those came whose call this is, if that was before it was asked.
    since: Option<Instant>,
    /// When the first of those who wait came.
    waiting_since: Option<Instant>,
    /// [`Link::departures`] when it was asked.
    pub(super) departures: u64,
}

impl Call {
    pub(super) fn new(link: Way, hash: u64, command: Command, reply_to: ReplyTo) -> Self {
        let departures = link.as_ref().map_or(0, |link| link.departures(hash));
        Self {
            link,
            hash,
            command,
            reply_to,
            print: None,
            question: None,
            joined: Vec::new(),
            waiting: Vec::new(),
            since: None,
            waiting_since: None,
            departures,
        }
    }

    /// Somebody waits for the next call.
    pub(super) fn wait(&mut self, reply_to: ReplyTo) {
        self.waiting.push(reply_to);
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    /// The call of those who wait for this one: the same question, asked anew.
    fn follow(&mut self) -> Option<Self> {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        let reply_to = waiting.next()?;
        let mut next = Self::new(self.link.clone(), self.hash, self.command, reply_to);
        next.question = self.question.clone();
        next.joined = waiting.collect();
        next.since = self.waiting_since.take();
        Some(next)
    }

    fn keys(&self) -> u64 {
        self.question.as_ref().map_or(1, |question| question.keys().len() as u64)
    }
}

impl Calls {
    pub(super) fn new(cells: Arc<PoolCells>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self { me: me.clone(), cells, policy: Cell::default(), state: RefCell::default() })
    }

    /// From now on, `policy` holds. What is open stays, and is found by those who come.
    pub(super) fn adopt(&self, policy: Policy) {
        self.policy.set(policy);
    }

    /// Sends `request`, unless it can share the answer of a read that is open.
    #[inline]
    pub(super) fn open(&self, call: Call, request: Request) {
        self.cells.hot.see(request.keys());
        let may_share = self.policy.get().coalesce && request.is_shareable();
        if !may_share {
            if self.policy.get().coalesce && !request.is_idempotent() {
                self.detach(&request);
            }
            return self.send(call, request, None);
        }
        let print = self.state.borrow().flights.print(request.keys());
        if let Some(call) = self.join(call, print, &request) {
            self.send(call, request, Some(print));
        }
    }

    /// Adds whoever asks to an open call for the same; gives `call` back where there is none.
    #[inline]
    fn join(&self, call: Call, print: u64, request: &Request) -> Option<Call> {
        let State { open, flights } = &mut *self.state.borrow_mut();
        let Some(tag) = flights.find(open, print, request, &call.link) else { return Some(call) };
        let earlier = &mut open[tag];
        if earlier.departures == call.departures {
            earlier.joined.push(call.reply_to);
        } else if request.keys().len() == 1 {
            earlier.wait(call.reply_to);
        } else {
            return Some(call);
        }
        None
    }

    /// Sends a request; with its `print` identical reads find it from now on.
    fn send(&self, mut call: Call, request: Request, print: Option<u64>) {
        if matches!(call.command, Command::Get | Command::Gat | Command::Mg | Command::Me) {
            call.question = Some(request.clone());
        }
        let (link, hash, since) = (call.link.clone(), call.hash, call.since);
        let tag = {
            let State { open, flights } = &mut *self.state.borrow_mut();
            let tag = open.insert(call);
            if let Some(print) = print {
                flights.list(open, print, tag);
            }
            tag
        };
        let Some(me) = self.me.upgrade() else { return };
        let reply_to = ReplyTo::new(me, tag as u64);
        match link {
            Ok(link) => link.ask(hash, request, reply_to, since),
            Err(kind) => reply_to.answer(Reply::never_sent(kind)),
        }
    }

    /// Before a write leaves: what waits behind an open read of its key is asked now, ahead of the write, and
    /// nothing that comes after the write finds either.
    fn detach(&self, write: &Request) {
        loop {
            let next = {
                let State { open, flights } = &mut *self.state.borrow_mut();
                let Some(tag) = flights.unlist_touched(open, write) else { return };
                open[tag].follow()
            };
            if let Some(next) = next {
                self.again(next, None);
            }
        }
    }

    fn again(&self, mut call: Call, print: Option<u64>) {
        if let Some(request) = call.question.take() {
            self.send(call, request, print);
        }
    }

    /// Counts the answer to one of those who asked.
    fn count(&self, call: &Call, listener: u8, reply: &Reply) {
        match reply {
            Reply::Items(items) => {
                let hits = items.iter().flatten().count() as u64;
                let misses = items.len() as u64 - hits;
                self.cells.count(listener, call.command, Outcome::Hit, hits);
                self.cells.count(listener, call.command, Outcome::Miss, misses);
            }
            reply => self.cells.count(listener, call.command, Outcome::of(call.command, reply), call.keys()),
        }
        if let Reply::Refused(line) = reply {
            self.cells.refuse(line);
        }
    }

    /// What the client hears when no node answered.
    fn excuse(&self, call: &Call, failure: Failure) -> Reply {
        self.cells.fail(failure.kind);
        let is_miss = match (failure.kind, self.policy.get().ejected) {
            (FailureKind::Memory | FailureKind::Lost, _) => false, // ketch's own trouble is not the cache's
            (FailureKind::Ejected, Ejected::Miss) => true,
            (FailureKind::Ejected, Ejected::Error) => false,
            _ => self.policy.get().errors_are_misses,
        };
        match &call.question {
            Some(Request::Read(read)) if is_miss => Reply::Items(smallvec![None; read.keys.as_slice().len()]),
            Some(Request::Meta(meta)) if is_miss => Reply::Meta(miss(meta)),
            _ => Reply::Failed(failure),
        }
    }
}

impl Receive for Calls {
    fn receive(&self, tag: u64, reply: Reply) {
        let Ok(tag) = usize::try_from(tag) else { return };
        let (mut call, next) = {
            let State { open, flights } = &mut *self.state.borrow_mut();
            let mut call = open.remove(tag);
            flights.unlist(&call, tag);
            let next = call.follow();
            (call, next)
        };
        let reply = match reply {
            Reply::Failed(failure) => self.excuse(&call, failure),
            reply => reply,
        };
        self.count(&call, call.reply_to.listener(), &reply);
        for joined in std::mem::take(&mut call.joined) {
            self.cells.coalesced.add(1);
            self.count(&call, joined.listener(), &reply);
            joined.answer(reply.shared());
        }
        call.reply_to.answer(reply);
        if let Some(next) = next {
            self.again(next, call.print);
        }
    }
}

/// A miss as memcached says it: with the opaque and the key where they were asked for.
fn miss(meta: &Meta) -> MetaReply {
    MetaReply { status: MetaStatus::Miss, flags: meta.echo(), value: bytes::Bytes::new() }
}
