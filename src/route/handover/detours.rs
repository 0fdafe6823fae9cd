//! One worker's part in a handover: which requests take another way, and who sees to them.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::flush::Held;
use super::look::Look;
use super::queue::{Job, Kind, Queue, Turn};
use super::window::Window;
use crate::backend::{Link, has_room};
use crate::memory::Charge;
use crate::metrics::{Handover, PoolCells};
use crate::model::{FailureKind, Key, Keys, Meta, MetaVerb, Read, Reply, ReplyTo, Request};
use crate::route::{Lane, Seat};

/// Of the time that a request has, the part that must be left to ask the new owner a last time.
const LAST: u32 = 8;

/// The detours of a worker in one pool while a window is open. Belongs to its thread.
pub(in crate::route) struct Detours {
    pub(super) me: Weak<Self>,
    pub(super) window: Arc<Window>,
    /// The way that requests take without a window.
    pub(super) lane: Lane,
    /// To the nodes of the old ring, as that numbers them.
    pub(super) former: Vec<Rc<Link>>,
    pub(super) cells: Arc<PoolCells>,
    pub(super) queue: Queue,
    pub(super) charge: Charge,
    /// What came behind a flush that is under way.
    pub(super) held: RefCell<Option<Vec<Held>>>,
}

impl Detours {
    /// Detours beside `lane`; `former` are the links to the window's nodes.
    pub(in crate::route) fn new(
        window: Arc<Window>,
        lane: Lane,
        former: Vec<Rc<Link>>,
        cells: Arc<PoolCells>,
    ) -> Rc<Self> {
        let charge = Charge::new(lane.memory());
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            window,
            lane,
            former,
            cells,
            queue: Queue::default(),
            charge,
            held: RefCell::default(),
        })
    }

    /// The links to nodes that have left the pool, and to those that stay.
    pub(in crate::route) fn links(&self) -> &[Rc<Link>] {
        &self.former
    }

    /// Takes a request on a detour if it needs one; gives it back where it goes as always.
    pub(in crate::route) fn divert(&self, request: Rc<Request>, reply_to: ReplyTo) -> Option<(Rc<Request>, ReplyTo)> {
        if let Some(held) = &mut *self.held.borrow_mut() {
            self.hold(held, request, reply_to);
            return None;
        }
        if let Request::Read(Read { keys: Keys::Many(keys), .. }) = &*request {
            let moved = keys.iter().any(|key| self.is_moved(key));
            if moved && let Some(me) = self.me.upgrade() {
                Look::many(me, keys.clone(), request.clone(), reply_to);
                return None;
            }
            return Some((request, reply_to));
        }
        let Some(key) = request.keys().first() else { return Some((request, reply_to)) };
        let seat = self.lane.pool().seat(key);
        if !self.is_moved_from(key, seat) || self.is_refused(&request, seat) || is_debug(&request) {
            return Some((request, reply_to));
        }
        let (key, since) = (key.clone(), Instant::now());
        let kind = if is_plain_read(&request) { Kind::Read } else { Kind::Write };
        let job = Job { key, request, reply_to, since, kind };
        match kind {
            Kind::Read if !self.queue.contains(&job.key) => self.look(job, false),
            _ => self.line_up(job),
        }
        None
    }

    /// Whether the key has an old owner that counts, and is another node than the one that is asked now.
    pub(super) fn is_moved(&self, key: &Key) -> bool {
        self.is_moved_from(key, self.lane.pool().seat(key))
    }

    fn is_moved_from(&self, key: &Key, seat: Seat) -> bool {
        let former = seat.node.ok().and_then(|node| self.window.former(key, node));
        former.is_some_and(|former| self.window.counts(former))
    }

    /// Whether the node is never asked such a thing: then nothing is to be done for it elsewhere either.
    fn is_refused(&self, request: &Request, seat: Seat) -> bool {
        let pool = self.lane.pool();
        seat.node.is_ok_and(|node| pool.nodes()[node].dialect.refusal(request, pool.name()).is_some())
    }

    /// Keeps a request that came behind a flush.
    fn hold(&self, held: &mut Vec<Held>, request: Rc<Request>, reply_to: ReplyTo) {
        match self.room_for(&request) {
            Ok(()) => held.push(Held::Request(request, reply_to)),
            Err(kind) => self.lane.calls().fail(&request, kind, reply_to),
        }
    }

    /// Puts a request behind what is under way for its key.
    pub(super) fn line_up(&self, job: Job) {
        if let Err(kind) = self.room_for(&job.request) {
            return self.lane.calls().fail(&job.request, kind, job.reply_to);
        }
        let key = job.key.clone();
        if self.queue.push(job) {
            self.see_to(key);
        }
    }

    /// Has the item of a read that missed brought, and the read asked again.
    pub(super) fn bring_for(&self, job: Job) {
        if self.queue.is_writing(&job.key) {
            return self.lane.calls().miss(&job.request, job.reply_to);
        }
        if let Err(kind) = self.room_for(&job.request) {
            return self.lane.calls().fail(&job.request, kind, job.reply_to);
        }
        let key = job.key.clone();
        if self.queue.insert(job) {
            self.see_to(key);
        }
    }

    fn room_for(&self, request: &Request) -> Result<(), FailureKind> {
        let most = self.lane.pool().nodes().first().map_or(0, |node| node.settings().max_inflight);
        if self.queue.waiting() >= most {
            return Err(FailureKind::Overloaded);
        }
        match has_room(&self.charge, request) {
            true => Ok(()),
            false => Err(FailureKind::Memory),
        }
    }

    fn see_to(&self, key: Key) {
        if let Some(me) = self.me.upgrade() {
            tokio::task::spawn_local(async move { me.drive(key).await });
        }
    }

    /// Carries out what waits for a key, one after the other.
    async fn drive(&self, key: Key) {
        while let Some(turn) = self.queue.turn(&key) {
            match turn {
                Turn::Ask(jobs) => jobs.into_iter().for_each(|job| {
                    self.charge.free(job.request.weight());
                    self.look(job, true);
                }),
                Turn::Bring(since) => {
                    self.bring(&key, since).await;
                    self.queue.reads(&key).into_iter().for_each(|job| self.again(job));
                }
                Turn::Write(job) => {
                    self.charge.free(job.request.weight());
                    self.write(job).await;
                }
            }
        }
    }

    /// A read asks the new owner, as it would without a window.
    fn look(&self, job: Job, waited: bool) {
        if let Some(me) = self.me.upgrade() {
            Look::one(me, job, waited);
        }
    }

    /// A read whose item was brought, if there was one, asks the new owner a last time.
    fn again(&self, job: Job) {
        self.charge.free(job.request.weight());
        self.pass_on(job);
    }

    /// Sends a request to the new owner, unless its time is over.
    pub(super) fn pass_on(&self, job: Job) {
        let seat = self.lane.note(self.lane.pool().seat(&job.key), &job.request);
        if Instant::now() + self.patience() / LAST > job.since + self.patience() {
            return self.lane.calls().fail(&job.request, FailureKind::Timeout, job.reply_to);
        }
        self.lane.send_since(seat, job.request, job.reply_to, job.since);
    }

    /// Until when what came at `since` may be elsewhere.
    pub(super) fn deadline(&self, since: Instant) -> Instant {
        let patience = self.patience();
        since + (patience - patience / LAST)
    }

    /// How long a request may take.
    pub(super) fn patience(&self) -> Duration {
        self.lane.pool().nodes().first().map_or(Duration::ZERO, |node| node.settings().request_timeout)
    }

    pub(super) fn count(&self, step: Handover) {
        self.cells.handover[step as usize].add(1);
        self.window.count(step);
    }
}

fn is_debug(request: &Request) -> bool {
    matches!(request, Request::Meta(meta) if meta.verb == MetaVerb::Debug)
}

/// Whether it only reads its item.
pub(super) fn is_plain_read(request: &Request) -> bool {
    match request {
        Request::Read(read) => read.touch.is_none(),
        Request::Meta(meta) => meta.verb == MetaVerb::Get && !meta.has(b'T'),
        _ => false,
    }
}

/// The same read, which takes no lease: where there is nothing, the old owner is to be asked first.
pub(super) fn without_lease(request: &Rc<Request>) -> Rc<Request> {
    match &**request {
        Request::Meta(meta) if meta.has(b'N') => {
            let flags: Vec<&[u8]> = meta.flags().filter(|flag| flag[0] != b'N').collect();
            Rc::new(Request::Meta(Box::new(Meta { flags: flags.join(&b' ').into(), ..(**meta).clone() })))
        }
        _ => request.clone(),
    }
}

/// Whether an answer to a plain read says that there is nothing, as far as can be seen.
pub(super) fn is_nothing(reply: &Reply) -> bool {
    match reply {
        Reply::Items(items) => items.iter().all(Option::is_none),
        Reply::Meta(_) => super::sight::Sight::of(reply).is_none_or(|sight| sight.may_be_placeholder()),
        _ => false,
    }
}
