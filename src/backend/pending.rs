//! The requests that a connection owes an answer to, in the order in which they were sent.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Command;
use crate::model::{ReplyTo, Request};

/// A first-in, first-out line of requests, each with its place in the stream of bytes that goes out.
#[derive(Debug, Default)]
pub(super) struct Line {
    entries: VecDeque<Pending>,
    /// How many of the first entries were answered for the node (they ran out of time): what the node still
    /// says to them is read and dropped.
    overdue: usize,
    /// How many of the first entries have a deadline.
    stamped: usize,
    /// How many have one of their own, which may be earlier than those before it.
    early: usize,
    /// The latest that was given here: once `request_timeout` is shorter than it was, what comes is early.
    latest: Option<Instant>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Pending {
    /// What was asked, whole: it may have to be sent again.
    pub(super) request: Rc<Request>,
    /// `None` once it was answered for the node.
    pub(super) reply_to: Option<ReplyTo>,
    /// Where its first byte stands in the stream of the connection.
    pub(super) start: u64,
    /// Whether it was sent on an earlier connection already.
    pub(super) again: bool,
    /// Whether its script is sent whole: the node has forgotten it.
    pub(super) whole: bool,
    /// When it was first written, or its connection begun.
    pub(super) asked: Option<Instant>,
    deadline: Option<Instant>,
    early: bool,
}

impl Pending {
    /// A request whose first byte stands at `start`. It has until `deadline` if it has waited elsewhere already, else from
    /// when it is written.
    #[inline]
    pub(super) fn new(request: Rc<Request>, reply_to: ReplyTo, start: u64, deadline: Option<Instant>) -> Self {
        let early = deadline.is_some();
        let (whole, asked) = (false, None);
        Self { request, reply_to: Some(reply_to), start, again: false, whole, asked, deadline, early }
    }

    /// To be sent anew behind younger requests, with its script whole.
    pub(super) fn in_full(self) -> Self {
        Self { whole: true, early: true, ..self }
    }

    /// Takes the return address, and says what was asked when.
    fn give_up(&mut self, now: Instant) -> Option<(ReplyTo, Command, Instant)> {
        let reply_to = self.reply_to.take()?;
        Some((reply_to, Command::of(&self.request), self.asked.unwrap_or(now)))
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline]
    pub(super) fn push(&mut self, pending: Pending) {
        self.early += usize::from(pending.early);
        self.entries.push_back(pending);
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&Pending> {
        self.entries.front()
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Pending> {
        self.overdue = self.overdue.saturating_sub(1);
        self.stamped = self.stamped.saturating_sub(1);
        let pending = self.entries.pop_front()?;
        if self.entries.is_empty() {
            self.entries.clear(); // begins at its front again, which is in the cache
        }
        self.early -= usize::from(pending.early);
        Some(pending)
    }

    /// Lets go of the values that those brought who begin at `start` or behind it, all of which have left whole: they are
    /// not sent again, since they may have been carried out. How many bytes that were.
    pub(super) fn lighten(&mut self, start: u64) -> usize {
        let last = self.entries.iter_mut().rev().take_while(|last| last.start >= start);
        let requests = last.filter_map(|last| Rc::get_mut(&mut last.request));
        requests.map(|request| request.take_value().len()).sum()
    }

    /// Gives those that have none yet their time and, `patience` later, their deadline; one that was sent before keeps
    /// its own, earlier ones.
    pub(super) fn stamp(&mut self, patience: Duration, asked: impl FnOnce() -> Instant) {
        if self.is_stamped() {
            return;
        }
        let asked = asked();
        let deadline = asked + patience;
        let is_early = self.stamped > 0 && self.latest.is_some_and(|latest| deadline < latest);
        if !is_early {
            self.latest = Some(deadline);
        }
        for pending in self.entries.range_mut(self.stamped..) {
            pending.asked.get_or_insert(asked);
            pending.deadline.get_or_insert(deadline);
            if is_early && !pending.early {
                pending.early = true;
                self.early += 1;
            }
        }
        self.stamped = self.entries.len();
    }

    /// Whether every request has a deadline.
    pub(super) fn is_stamped(&self) -> bool {
        self.stamped == self.entries.len()
    }

    /// The next deadline to come. Deadlines rise along the line, but for the early ones.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let first = self.entries.get(self.overdue)?.deadline;
        if self.early == 0 {
            return first;
        }
        let early = self.entries.iter().filter(|pending| pending.early && pending.reply_to.is_some());
        early.filter_map(|pending| pending.deadline).chain(first).min()
    }

    /// Takes the return address of the next request whose time is over at `now`, and says what was asked when; its
    /// place in the line stays.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(ReplyTo, Command, Instant)> {
        while let Some(pending) = self.entries.get_mut(self.overdue).filter(|pending| pending.is_late(now)) {
            self.overdue += 1;
            if let Some(late) = pending.give_up(now) {
                return Some(late);
            }
        }
        if self.early == 0 {
            return None;
        }
        self.entries
            .iter_mut()
            .filter(|pending| pending.early && pending.is_late(now))
            .find_map(|late| late.give_up(now))
    }

    /// Empties the line.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Pending> + use<> {
        std::mem::take(self).entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::model::{Expiry, FailureKind, Key, Receive, Reply, Store, StoreMode};

    #[derive(Default)]
    struct Heard(RefCell<Vec<u64>>);

    impl Receive for Heard {
        fn receive(&self, tag: u64, _: Reply) {
            self.0.borrow_mut().push(tag);
        }
    }

    fn pending(heard: &Rc<Heard>, tag: u64, deadline: Option<Instant>) -> Pending {
        Pending::new(Rc::new(Request::Delete(Key::new(b"k").unwrap())), ReplyTo::new(heard.clone(), tag), 0, deadline)
    }

    fn answer(line: &mut Line) {
        if let Some(reply_to) = line.pop().unwrap().reply_to {
            reply_to.answer(Reply::Deleted);
        }
    }

    #[test]
    fn an_overdue_request_is_answered_once_and_keeps_its_place() {
        let heard = Rc::new(Heard::default());
        let begin = Instant::now();
        let mut line = Line::default();
        line.push(pending(&heard, 1, None));
        line.stamp(Duration::from_secs(1), || begin);
        line.push(pending(&heard, 2, None));
        line.stamp(Duration::from_secs(1), || begin + Duration::from_secs(1));

        assert!(line.expire(begin).is_none());
        let (late, command, asked) = line.expire(begin + Duration::from_secs(1)).unwrap();
        assert_eq!((command, asked), (Command::Delete, begin));
        late.answer(Reply::maybe_sent(FailureKind::Timeout));
        assert!(line.expire(begin + Duration::from_secs(1)).is_none());
        assert_eq!(line.deadline(), Some(begin + Duration::from_secs(2)));

        answer(&mut line); // the late answer of the first
        answer(&mut line);
        assert_eq!(*heard.0.borrow(), [1, 2]);
        assert!(line.deadline().is_none());
    }

    #[test]
    fn only_values_that_nobody_else_keeps_and_that_have_left_are_let_go() {
        let heard = Rc::new(Heard::default());
        let store = || {
            let (mode, key, value) = (StoreMode::Set, Key::new(b"k").unwrap(), vec![b'v'; 100].into());
            Rc::new(Request::Store(Box::new(Store { mode, key, flags: 0, expiry: Expiry(0), value })))
        };
        let (mut line, kept) = (Line::default(), store());
        for (request, start) in [(store(), 0), (store(), 120), (kept.clone(), 240), (store(), 360)] {
            line.push(Pending::new(request, ReplyTo::new(heard.clone(), start), start, None));
        }
        assert_eq!(line.lighten(100), 200);
        assert_eq!(line.lighten(100), 0);
        let weights: Vec<_> = line.entries.iter().map(|pending| pending.request.weight()).collect();
        assert_eq!((weights, kept.weight()), (vec![100, 0, 100, 0], 100));
    }

    #[test]
    fn a_shorter_time_limit_holds_for_those_who_come_behind_a_longer_one() {
        let heard = Rc::new(Heard::default());
        let begin = Instant::now();
        let second = |number| begin + Duration::from_secs(number);
        let mut line = Line::default();
        for (tag, deadline) in [(1, 9), (2, 2), (3, 3)] {
            line.push(pending(&heard, tag, None));
            line.stamp(Duration::from_secs(deadline), || begin);
        }
        assert_eq!(line.deadline(), Some(second(2)));
        line.expire(second(2)).unwrap().0.answer(Reply::maybe_sent(FailureKind::Timeout));
        assert_eq!(line.deadline(), Some(second(3)));
        answer(&mut line);
        line.pop();
        assert_eq!((line.early, line.len()), (1, 1));
        line.expire(second(3)).unwrap().0.answer(Reply::maybe_sent(FailureKind::Timeout));
        line.pop();
        line.push(pending(&heard, 4, None));
        line.stamp(Duration::from_secs(4), || begin);
        assert_eq!((line.early, line.deadline()), (0, Some(second(4))));
        assert_eq!(*heard.0.borrow(), [2, 1, 3]);
    }

    #[test]
    fn a_request_that_has_waited_elsewhere_is_not_held_up_by_those_before_it() {
        let heard = Rc::new(Heard::default());
        let begin = Instant::now();
        let second = |number| begin + Duration::from_secs(number);
        let mut line = Line::default();
        line.push(pending(&heard, 1, None));
        line.push(pending(&heard, 2, Some(second(1))));
        line.push(pending(&heard, 3, None));
        line.stamp(Duration::from_secs(1), || second(1));

        assert_eq!(line.deadline(), Some(second(1)));
        line.expire(second(1)).unwrap().0.answer(Reply::maybe_sent(FailureKind::Timeout));
        assert!(line.expire(second(1)).is_none());
        assert_eq!(line.deadline(), Some(second(2)));
        while let Some(late) = line.expire(second(2)) {
            late.0.answer(Reply::maybe_sent(FailureKind::Timeout));
        }
        assert_eq!(*heard.0.borrow(), [2, 1, 3]);
        assert!(line.deadline().is_none());
        while line.pop().is_some() {}
        assert_eq!((line.early, line.overdue, line.len()), (0, 0, 0));
    }
}
