//! What waits for the detour of its key, in the order in which it came.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use hashbrown::HashMap;
use tokio::time::Instant;

use crate::model::{Key, ReplyTo, Request};

/// One request of a key that moved.
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) request: Rc<Request>,
    pub(super) reply_to: ReplyTo,
    /// When it came.
    pub(super) since: Instant,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A read that has not asked the new owner yet.
    Read,
    /// A read that the new owner had nothing for.
    Missed,
    /// Everything else.
    Write,
}

/// The keys that are on a detour; one task for each sees to all that waits for it.
#[derive(Default)]
pub(super) struct Queue {
    keys: RefCell<HashMap<Key, Line>>,
    waiting: Cell<usize>,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    /// A write is being carried out.
    writing: bool,
}

/// What is to be done next for a key.
pub(super) enum Turn {
    /// Its item is to be brought, for those who wait; the first of them came then.
    Bring(Instant),
    /// These are to ask the new owner.
    Ask(Vec<Job>),
    Write(Job),
}

impl Queue {
    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Whether no key is on a detour.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.borrow().is_empty()
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        let keys = self.keys.borrow();
        !keys.is_empty() && keys.contains_key(key)
    }

    /// Puts a request behind all others of its key; whether it is the first, so that somebody has to see to it.
    pub(super) fn push(&self, job: Job) -> bool {
        self.waiting.set(self.waiting.get() + 1);
        let mut keys = self.keys.borrow_mut();
        let line = keys.entry(job.key.clone());
        let is_first = matches!(line, hashbrown::hash_map::Entry::Vacant(_));
        line.or_default().jobs.push_back(job);
        is_first
    }

    /// Whether a write of the key is being carried out. It came behind every read that misses now: what was to be brought
    /// for such a one is not there any more.
    pub(super) fn is_writing(&self, key: &Key) -> bool {
        self.keys.borrow().get(key).is_some_and(|line| line.writing)
    }

    /// Puts a read that missed before the writes that came after it; whether it is the first of its key.
    pub(super) fn insert(&self, job: Job) -> bool {
        let mut keys = self.keys.borrow_mut();
        let Some(line) = keys.get_mut(&job.key) else {
            drop(keys);
            return self.push(job);
        };
        let place = line.jobs.iter().position(|job| job.kind == Kind::Write).unwrap_or(line.jobs.len());
        line.jobs.insert(place, job);
        self.waiting.set(self.waiting.get() + 1);
        false
    }

    /// What is next; `None` when the key is on no detour any more.
    pub(super) fn turn(&self, key: &Key) -> Option<Turn> {
        let mut keys = self.keys.borrow_mut();
        let line = keys.get_mut(key)?;
        line.writing = false;
        let Some(front) = line.jobs.front() else {
            keys.remove(key);
            return None;
        };
        Some(match front.kind {
            Kind::Missed => Turn::Bring(front.since),
            Kind::Read => Turn::Ask(self.pop(line, |kind| kind == Kind::Read)),
            Kind::Write => {
                line.writing = true;
                self.waiting.set(self.waiting.get() - 1);
                Turn::Write(line.jobs.pop_front()?)
            }
        })
    }

    /// The reads at the front: their item has been brought.
    pub(super) fn reads(&self, key: &Key) -> Vec<Job> {
        self.keys.borrow_mut().get_mut(key).map_or_else(Vec::new, |line| self.pop(line, |kind| kind != Kind::Write))
    }

    fn pop(&self, line: &mut Line, wanted: impl Fn(Kind) -> bool) -> Vec<Job> {
        let mut jobs = Vec::new();
        while let Some(job) = line.jobs.pop_front_if(|job| wanted(job.kind)) {
            jobs.push(job);
        }
        self.waiting.set(self.waiting.get() - jobs.len());
        jobs
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::model::{Receive, Reply};

    struct Deaf;

    impl Receive for Deaf {
        fn receive(&self, _: u64, _: Reply) {}
    }

    fn job(number: u64, kind: Kind) -> Job {
        let key = Key::new(b"k").unwrap();
        let reply_to = ReplyTo::new(Rc::new(Deaf), number);
        Job { request: Rc::new(Request::Delete(key.clone())), key, reply_to, since: Instant::now(), kind }
    }

    fn told(jobs: &[Job]) -> Vec<String> {
        jobs.iter().map(|job| format!("{:?}", job.reply_to)).collect()
    }

    #[test]
    fn a_read_that_missed_goes_before_the_writes_that_came_after_it() {
        let (queue, key) = (Queue::default(), Key::new(b"k").unwrap());
        assert!(!queue.contains(&key));
        assert!(queue.insert(job(1, Kind::Missed)));
        assert!(!queue.push(job(2, Kind::Write)) && !queue.push(job(3, Kind::Read)));
        assert!(!queue.insert(job(4, Kind::Missed)) && !queue.is_writing(&key));
        assert!(matches!(queue.turn(&key), Some(Turn::Bring(_))));
        assert_eq!(told(&queue.reads(&key)), ["ReplyTo(1)", "ReplyTo(4)"]);
        let Some(Turn::Write(write)) = queue.turn(&key) else { panic!("the write is next") };
        assert_eq!(told(&[write]), ["ReplyTo(2)"]);
        assert!(queue.is_writing(&key));
        let Some(Turn::Ask(reads)) = queue.turn(&key) else { panic!("the read is next") };
        assert_eq!((told(&reads), queue.waiting()), (vec!["ReplyTo(3)".to_owned()], 0));
        assert!(queue.turn(&key).is_none() && queue.is_empty());
        assert!(queue.push(job(6, Kind::Write)));
    }
}
