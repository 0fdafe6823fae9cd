//! Reads of keys that moved: first the new owner is asked, and what it has is all there is to do.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::time::Instant;

use super::detours::{Detours, is_nothing, without_lease};
use super::queue::{Job, Kind};
use crate::memory::Charge;
use crate::model::{FailureKind, Items, Key, Keys, Read, Receive, Reply, ReplyTo, Request};

/// The tag of the new owner's answer; those of the keys that are brought are their places.
const FIRST: u64 = u64::MAX;

/// One read that asks the new owner.
pub(super) struct Look {
    detours: Rc<Detours>,
    job: RefCell<Option<Job>>,
}

/// A multi-get with keys that moved.
struct Many {
    detours: Rc<Detours>,
    request: Request,
    since: Instant,
    /// Where those keys stand that ask together.
    together: Vec<u32>,
    /// The values that wait for the others.
    charge: Charge,
    state: RefCell<State>,
}

struct State {
    items: Items,
    missing: usize,
    trouble: Option<Reply>,
    reply_to: Option<ReplyTo>,
}

impl Look {
    /// `waited` tells whether its time runs already.
    pub(super) fn one(detours: Rc<Detours>, job: Job, waited: bool) {
        let seat = detours.lane.pool().seat(&job.key);
        if seat.node != Ok(seat.owner) {
            return detours.pass_on(job); // a stand-in is not filled: it would keep the item when the owner is back
        }
        let (request, since) = (without_lease(&job.request), job.since);
        let look = Rc::new(Self { detours: detours.clone(), job: RefCell::new(Some(job)) });
        let reply_to = ReplyTo::new(look, FIRST).by(ReplyTo::NOBODY);
        match waited {
            true => detours.lane.send_since(seat, request, reply_to, since),
            false => detours.lane.send(seat, request, reply_to),
        }
    }

    /// The keys that need nothing else ask together; each of the others goes as if it were alone.
    pub(super) fn many(detours: Rc<Detours>, keys: Rc<[Key]>, request: Request, reply_to: ReplyTo) {
        let Request::Read(Read { cas, touch, .. }) = request else { return };
        let alone = |key: &Key| detours.is_moved(key) && (touch.is_some() || detours.queue.contains(key));
        let (apart, together): (Vec<u32>, Vec<u32>) = (0..).take(keys.len()).partition(|at| alone(&keys[*at as usize]));
        let state = State {
            items: std::iter::repeat_n(None, keys.len()).collect(),
            missing: apart.len() + usize::from(!together.is_empty()),
            trouble: None,
            reply_to: Some(reply_to),
        };
        let rest: Vec<Key> = together.iter().map(|at| keys[*at as usize].clone()).collect();
        let charge = Charge::new(detours.lane.memory());
        let since = Instant::now();
        let many = Rc::new(Many { detours, request, since, together, charge, state: RefCell::new(state) });
        let one = |key: Key| Request::Read(Read { keys: Keys::One(key), cas, touch });
        for at in apart {
            let key = keys[at as usize].clone();
            let (request, reply_to) = (one(key.clone()), many.part(at.into()));
            let kind = if touch.is_some() { Kind::Write } else { Kind::Read };
            many.detours.line_up(Job { key, request, reply_to, since, kind });
        }
        let request = match rest.len() {
            0 => return,
            1 => rest.into_iter().next().map(one),
            _ => Some(Request::Read(Read { keys: Keys::Many(rest.into()), cas, touch })),
        };
        if let Some(request) = request {
            many.detours.lane.dispatch(request, many.part(FIRST));
        }
    }
}

impl Receive for Look {
    fn receive(&self, _: u64, reply: Reply) {
        let Some(job) = self.job.take() else { return };
        match is_nothing(&reply) {
            true => self.detours.bring_for(Job { kind: Kind::Missed, ..job }),
            false => self.detours.lane.calls().settle(&job.request, job.reply_to, reply),
        }
    }
}

impl Many {
    fn part(self: &Rc<Self>, tag: u64) -> ReplyTo {
        ReplyTo::new(Rc::new(Part { many: self.clone() }), tag).by(ReplyTo::NOBODY)
    }

    /// The items of those that asked together; what misses and has moved is brought.
    fn take(self: &Rc<Self>, items: Items) {
        let keys = self.request.keys();
        let mut missed = Vec::new();
        {
            let state = &mut *self.state.borrow_mut();
            for (at, item) in self.together.iter().zip(items) {
                if item.is_none() && self.detours.is_moved(&keys[*at as usize]) {
                    missed.push(*at);
                }
                state.items[*at as usize] = item;
            }
            state.missing += missed.len();
        }
        let Request::Read(Read { cas, touch, .. }) = self.request else { return };
        for at in missed {
            let key = keys[at as usize].clone();
            let request = Request::Read(Read { keys: Keys::One(key.clone()), cas, touch });
            let (reply_to, since, kind) = (self.part(at.into()), self.since, Kind::Missed);
            self.detours.bring_for(Job { key, request, reply_to, since, kind });
        }
    }

    fn hear(self: &Rc<Self>, tag: u64, reply: Reply) {
        match reply {
            Reply::Items(_) if !self.charge.add(reply.weight()) => {
                self.charge.tell();
                self.state.borrow_mut().trouble.get_or_insert(Reply::never_sent(FailureKind::Memory));
            }
            Reply::Items(items) if tag == FIRST => self.take(items),
            Reply::Items(items) => {
                let place = usize::try_from(tag).unwrap_or(usize::MAX);
                if let (Some(place), Some(item)) =
                    (self.state.borrow_mut().items.get_mut(place), items.into_iter().next())
                {
                    *place = item;
                }
            }
            trouble => drop(self.state.borrow_mut().trouble.get_or_insert(trouble)),
        }
        self.finish_one();
    }

    fn finish_one(&self) {
        let mut state = self.state.borrow_mut();
        state.missing -= 1;
        if state.missing > 0 {
            return;
        }
        self.charge.free(usize::MAX); // from here on the values are the receiver's
        let whole = match state.trouble.take() {
            Some(trouble) => trouble,
            None => Reply::Items(std::mem::take(&mut state.items)),
        };
        let reply_to = state.reply_to.take();
        drop(state); // whoever hears the answer may ask again
        if let Some(reply_to) = reply_to {
            self.detours.lane.calls().settle(&self.request, reply_to, whole);
        }
    }
}

/// The return address of one part.
struct Part {
    many: Rc<Many>,
}

impl Receive for Part {
    fn receive(&self, tag: u64, reply: Reply) {
        self.many.hear(tag, reply);
    }
}
