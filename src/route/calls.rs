//! What a lane has asked and not heard: counts the answers and hands them to all who wait for them.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use slab::Slab;
use smallvec::{SmallVec, smallvec};
use tokio::time::Instant;

use super::coalesce::Flights;
use super::handover::{Unveil, bare};
use super::pool::{Ejected, Policy};
use crate::backend::Link;
use crate::metrics::{Command, Outcome, PoolCells};
use crate::model::{Failure, FailureKind, Meta, MetaReply, MetaStatus, Receive, Reply, ReplyTo, Request, Sent};

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

/// The way to whoever is asked for a key of this hash; or why nobody is.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) link: Result<&'a Rc<Link>, FailureKind>,
    pub(super) hash: u64,
}

impl Way<'_> {
    /// [`Link::departures`] of who is asked, if anybody is.
    #[inline]
    fn departures(self) -> u64 {
        self.link.map_or(0, |link| link.departures(self.hash))
    }
}

/// One request that is under way, and everybody who waits for its answer.
pub(super) struct Call {
    pub(super) link: Result<Rc<Link>, FailureKind>,
    pub(super) hash: u64,
    command: Command,
    /// How many keys it is about; 1 for what is no read.
    pub(super) keys: u32,
    reply_to: ReplyTo,
    /// Under which identical reads find it, while they do.
    pub(super) print: Option<u64>,
    /// What was asked; kept for reads only, which may be shared, asked again, or made a miss.
    pub(super) question: Option<Rc<Request>>,
    /// [`Link::departures`] when it was asked.
    departures: u64,
    /// When it began, in a pool that hands over.
    pub(super) begun: Option<Instant>,
    crowd: Option<Box<Crowd>>,
}

/// The others who share an open read. Most have none.
#[derive(Default)]
struct Crowd {
    /// Who joined before it was sent.
    joined: Vec<ReplyTo>,
    /// Who came after it was sent: the next call is theirs.
    waiting: Vec<ReplyTo>,
    /// When the first of those came.
    waiting_since: Option<Instant>,
}

impl State {
    /// Takes the call that is open under `tag`.
    #[inline]
    fn close(&mut self, tag: usize) -> Call {
        let call = self.open.remove(tag);
        self.flights.unlist(&call, tag);
        call
    }
}

impl Call {
    /// Whether who would be asked this way is whom it asked.
    #[inline]
    pub(super) fn goes(&self, way: Way<'_>) -> bool {
        matches!((&self.link, way.link), (Ok(one), Ok(other)) if Rc::ptr_eq(one, other))
    }

    /// Whether somebody waits for the next call.
    #[inline]
    pub(super) fn is_waited_for(&self) -> bool {
        self.crowd.as_ref().is_some_and(|crowd| !crowd.waiting.is_empty())
    }

    fn join(&mut self, reply_to: ReplyTo) {
        self.crowd.get_or_insert_default().joined.push(reply_to);
    }

    /// Somebody waits for the next call.
    fn wait(&mut self, reply_to: ReplyTo) {
        let crowd = self.crowd.get_or_insert_default();
        crowd.waiting.push(reply_to);
        crowd.waiting_since.get_or_insert_with(Instant::now);
    }

    /// The call of those who wait for this one: the same question, asked anew.
    fn follow(&mut self) -> Option<Next> {
        let crowd = self.crowd.as_mut()?;
        let mut waiting = std::mem::take(&mut crowd.waiting).into_iter();
        let reply_to = waiting.next()?;
        let since = crowd.waiting_since.take();
        let request = self.question.clone()?;
        Some(Next { link: self.link.clone(), hash: self.hash, request, reply_to, joined: waiting.collect(), since })
    }
}

/// A call that is to be made for those who waited.
struct Next {
    link: Result<Rc<Link>, FailureKind>,
    hash: u64,
    request: Rc<Request>,
    reply_to: ReplyTo,
    joined: Vec<ReplyTo>,
    /// When the first of them came.
    since: Option<Instant>,
}

impl Calls {
    pub(super) fn new(cells: Arc<PoolCells>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self { me: me.clone(), cells, policy: Cell::default(), state: RefCell::default() })
    }

    /// From now on, `policy` holds. What is open stays, and is found by those who come.
    pub(super) fn adopt(&self, policy: Policy) {
        self.policy.set(policy);
    }

    /// Sends `request`, unless it can share the answer of a read that is open. `since` is when it came, if it has waited
    /// elsewhere.
    #[inline]
    pub(super) fn open(&self, way: Way<'_>, request: Rc<Request>, reply_to: ReplyTo, since: Option<Instant>) {
        let keys = request.keys();
        self.cells.hot.see(keys);
        let coalesce = self.policy.get().coalesce;
        if !(coalesce && request.is_shareable()) {
            if coalesce && !request.is_idempotent() {
                self.detach(&request);
            }
            return self.send(way, request, reply_to, None, since);
        }
        let print = self.state.borrow().flights.print(keys);
        if let Some(reply_to) = self.join(way, print, &request, reply_to) {
            self.send(way, request, reply_to, Some(print), since);
        }
    }

    /// Adds whoever asks to an open call for the same; gives `reply_to` back where there is none.
    #[inline]
    fn join(&self, way: Way<'_>, print: u64, request: &Request, reply_to: ReplyTo) -> Option<ReplyTo> {
        let State { open, flights } = &mut *self.state.borrow_mut();
        let Some(tag) = flights.find(open, print, request, way) else { return Some(reply_to) };
        let earlier = &mut open[tag];
        if earlier.departures == way.departures() {
            earlier.join(reply_to);
        } else if request.keys().len() == 1 {
            earlier.wait(reply_to);
        } else {
            return Some(reply_to);
        }
        None
    }

    /// Sends a request; with its `print` identical reads find it from now on.
    #[inline]
    fn send(&self, way: Way<'_>, request: Rc<Request>, reply_to: ReplyTo, print: Option<u64>, since: Option<Instant>) {
        let tag = self.note(way, &request, (reply_to, since), print, None);
        self.ask(way, request, tag, since);
    }

    /// Notes an open call; its tag.
    #[inline]
    fn note(
        &self,
        way: Way<'_>,
        request: &Rc<Request>,
        (reply_to, since): (ReplyTo, Option<Instant>),
        print: Option<u64>,
        crowd: Option<Box<Crowd>>,
    ) -> usize {
        let command = Command::of(request);
        let question = is_read(command).then(|| request.clone());
        let keys = question.as_ref().map_or(1, |question| u32::try_from(question.keys().len()).unwrap_or(u32::MAX));
        let begun = self.policy.get().hands_over.then(|| since.unwrap_or_else(Instant::now));
        let (link, hash, departures) = (way.link.cloned(), way.hash, way.departures());
        let State { open, flights } = &mut *self.state.borrow_mut();
        let entry = open.vacant_entry();
        let tag = entry.key();
        entry.insert(Call { link, hash, command, keys, reply_to, print: None, question, departures, begun, crowd });
        if let Some(print) = print {
            flights.list(open, print, tag);
        }
        tag
    }

    #[inline]
    fn ask(&self, way: Way<'_>, request: Rc<Request>, tag: usize, since: Option<Instant>) {
        let Some(me) = self.me.upgrade() else { return };
        let reply_to = ReplyTo::new(me, tag as u64);
        match way.link {
            Ok(link) => link.ask(way.hash, request, reply_to, since),
            Err(kind) => reply_to.answer(Reply::never_sent(kind)),
        }
    }

    /// Before a write leaves: what waits behind an open read of its key is asked now, ahead of the write, and
    /// nothing that comes after the write finds either.
    fn detach(&self, write: &Request) {
        let nexts: SmallVec<[Next; 1]> = {
            let State { open, flights } = &mut *self.state.borrow_mut();
            let touched = flights.unlist_touched(open, write);
            touched.into_iter().filter_map(|tag| open[tag].follow()).collect()
        };
        for next in nexts {
            self.again(next, None);
        }
    }

    fn again(&self, next: Next, print: Option<u64>) {
        let Next { link, hash, request, reply_to, joined, since } = next;
        let way = Way { link: link.as_ref().map_err(|kind| *kind), hash };
        let crowd = (!joined.is_empty()).then(|| Box::new(Crowd { joined, ..Crowd::default() }));
        let tag = self.note(way, &request, (reply_to, since), print, crowd);
        self.ask(way, request, tag, since);
    }

    /// Answers whoever asked `request` elsewhere than here, and counts it.
    pub(super) fn settle(&self, request: &Request, reply_to: ReplyTo, reply: Reply) {
        self.answer(Command::of(request), request.keys().len() as u64, reply_to, reply);
    }

    /// The same for what failed.
    pub(super) fn give_up(&self, request: &Request, failure: Failure, reply_to: ReplyTo) {
        let reply = self.excuse(Some(request).filter(|_| is_read(Command::of(request))), failure);
        self.settle(request, reply_to, reply);
    }

    /// The same for what failed before it was sent.
    pub(super) fn fail(&self, request: &Request, kind: FailureKind, reply_to: ReplyTo) {
        self.give_up(request, Failure { kind, sent: Sent::Never }, reply_to);
    }

    /// The same for a read that finds nothing.
    pub(super) fn miss(&self, request: &Request, reply_to: ReplyTo) {
        self.settle(request, reply_to, self.nothing(Some(request)));
    }

    /// The answer to a read that finds nothing.
    pub(super) fn nothing(&self, question: Option<&Request>) -> Reply {
        match question {
            Some(Request::Read(read)) => Reply::Items(smallvec![None; read.keys.as_slice().len()]),
            Some(Request::Meta(meta)) => Reply::Meta(miss(meta)),
            _ => Reply::never_sent(FailureKind::Lost),
        }
    }

    /// Counts the answer to one of those who asked.
    fn count(&self, command: Command, keys: u64, listener: u8, reply: &Reply) {
        if listener == ReplyTo::NOBODY {
            return;
        }
        match reply {
            Reply::Items(items) => {
                let hits = items.iter().flatten().count() as u64;
                self.cells.count_items(listener, command, hits, items.len() as u64 - hits);
            }
            reply => self.cells.count(listener, command, Outcome::of(command, reply), keys),
        }
        if let Reply::Refused(line) = reply {
            self.cells.refuse(line);
        }
    }

    /// What the client hears when no node answered.
    fn excuse(&self, question: Option<&Request>, failure: Failure) -> Reply {
        self.cells.fail(failure.kind);
        let is_miss = match (failure.kind, self.policy.get().ejected) {
            (FailureKind::Memory | FailureKind::Lost, _) => false, // ketch's own trouble is not the cache's
            (FailureKind::Ejected, Ejected::Miss) => true,
            (FailureKind::Ejected, Ejected::Error) => false,
            _ => self.policy.get().errors_are_misses,
        };
        match question {
            Some(Request::Read(_) | Request::Meta(_)) if is_miss => self.nothing(question),
            _ => Reply::Failed(failure),
        }
    }

    /// Answers one of those who asked, and counts it.
    #[inline]
    fn answer(&self, command: Command, keys: u64, reply_to: ReplyTo, reply: Reply) {
        self.count(command, keys, reply_to.listener(), &reply);
        reply_to.answer(reply);
    }

    /// Answers all who wait for a call, the one who asked before those who joined.
    #[inline]
    pub(super) fn deliver(&self, call: Call, reply: Reply) {
        let (command, keys) = (call.command, call.keys.into());
        let Some(crowd) = call.crowd else { return self.answer(command, keys, call.reply_to, reply) };
        self.answer(command, keys, call.reply_to, reply.clone());
        for joined in crowd.joined {
            self.cells.coalesced.add(1);
            self.answer(command, keys, joined, reply.shared());
        }
    }

    /// Answers all who wait for a call, and asks again for those who came too late for it.
    fn conclude(&self, mut call: Call, reply: Reply) {
        let (print, next) = (call.print, call.follow());
        if self.policy.get().hands_over
            && bare(&call, &reply)
            && let Some(me) = self.me.upgrade()
        {
            Unveil::begin(me, call, reply);
        } else {
            self.deliver(call, reply);
        }
        if let Some(next) = next {
            self.again(next, print);
        }
    }
}

impl Receive for Calls {
    fn receive(&self, tag: u64, mut reply: Reply) {
        let Ok(tag) = usize::try_from(tag) else { return };
        let call = self.state.borrow_mut().close(tag);
        if let Reply::Failed(failure) = reply {
            reply = self.excuse(call.question.as_deref(), failure);
        }
        if call.crowd.is_some() || self.policy.get().hands_over {
            return self.conclude(call, reply);
        }
        self.answer(call.command, call.keys.into(), call.reply_to, reply);
    }
}

/// Whether it is a read, which may be shared, asked again, or made a miss.
fn is_read(command: Command) -> bool {
    matches!(command, Command::Get | Command::Gat | Command::Mg | Command::Me)
}

/// A miss as memcached says it: with the opaque and the key where they were asked for.
fn miss(meta: &Meta) -> MetaReply {
    MetaReply { status: MetaStatus::Miss, flags: meta.echo(), value: bytes::Bytes::new() }
}
