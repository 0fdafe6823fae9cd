//! Reads of keys that moved: first the new owner is asked, and what it has is all there is to do.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::time::Instant;

use super::detours::{Detours, is_nothing, without_lease};
use super::queue::{Job, Kind};
use crate::memory::Charge;
use crate::model::{Items, Key, Keys, Read, Receive, Reply, ReplyTo, Request};
use crate::route::assembly::Assembly;

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
    request: Rc<Request>,
    since: Instant,
    /// Where those keys stand that ask together.
    together: Vec<u32>,
    assembly: Assembly,
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
    pub(super) fn many(detours: Rc<Detours>, keys: Rc<[Key]>, request: Rc<Request>, reply_to: ReplyTo) {
        let Request::Read(Read { cas, touch, .. }) = *request else { return };
        let alone = |key: &Key| detours.is_moved(key) && (touch.is_some() || detours.queue.contains(key));
        let (apart, together): (Vec<u32>, Vec<u32>) = (0..).take(keys.len()).partition(|at| alone(&keys[*at as usize]));
        let parts = apart.len() + usize::from(!together.is_empty());
        let rest: Vec<Key> = together.iter().map(|at| keys[*at as usize].clone()).collect();
        let assembly = Assembly::new(keys.len(), parts, Charge::new(detours.lane.memory()), reply_to);
        let since = Instant::now();
        let many = Rc::new(Many { detours, request, since, together, assembly });
        let one = |key: Key| Rc::new(Request::Read(Read { keys: Keys::One(key), cas, touch }));
        for at in apart {
            let key = keys[at as usize].clone();
            let (request, reply_to) = (one(key.clone()), many.part(at.into()));
            let kind = if touch.is_some() { Kind::Write } else { Kind::Read };
            many.detours.line_up(Job { key, request, reply_to, since, kind });
        }
        let request = match rest.len() {
            0 => return,
            1 => rest.into_iter().next().map(one),
            _ => Some(Rc::new(Request::Read(Read { keys: Keys::Many(rest.into()), cas, touch }))),
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
        let asked = self.together.iter().copied().zip(&items);
        let missed = asked.filter(|(at, item)| item.is_none() && self.detours.is_moved(&keys[*at as usize]));
        let missed: Vec<u32> = missed.map(|(at, _)| at).collect();
        self.assembly.place(self.together.iter().copied(), items);
        self.assembly.expect(missed.len());
        let Request::Read(Read { cas, touch, .. }) = *self.request else { return };
        for at in missed {
            let key = keys[at as usize].clone();
            let request = Rc::new(Request::Read(Read { keys: Keys::One(key.clone()), cas, touch }));
            let (reply_to, since, kind) = (self.part(at.into()), self.since, Kind::Missed);
            self.detours.bring_for(Job { key, request, reply_to, since, kind });
        }
    }

    fn hear(self: &Rc<Self>, tag: u64, reply: Reply) {
        let whole = self.assembly.hear(reply, |items| match tag {
            FIRST => self.take(items),
            place => self.assembly.place(u32::try_from(place).into_iter(), items),
        });
        if let Some((reply_to, whole)) = whole {
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
