//! The replies that a client is owed, in the order of its requests (promise 1).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bytes::Bytes;

use crate::memory::Charge;
use crate::model::{FailureKind, Reply};
use crate::wire::{Outbox, Spelling, encode_reply};

/// A client's queue: replies come in any order and leave in that of the requests.
///
/// The values that wait in it are charged, and the keys of multi-gets. A value that finds no room is dropped and its
/// request fails; a client that holds more than its share finds none while memory is scarce.
pub(super) struct Replies {
    queue: RefCell<Queue>,
    charge: Charge,
    share: Cell<usize>,
    /// Nobody waits for them any more.
    are_forgone: Cell<bool>,
}

/// What came last, to whoever writes the replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Its turn has not come.
    Nothing,
    /// Its turn has come, and more is owed.
    Turn,
    /// Nothing is owed behind it.
    Whole,
}

struct Queue {
    slots: VecDeque<Slot>,
    /// The tag of the first slot.
    first: u64,
    /// How many of them have no answer yet that the client will hear.
    open: usize,
    /// How many of those are reads.
    reads: usize,
    /// The bytes of the values that are here.
    here: usize,
    /// Values are about this large: what the open reads may come to.
    usual: usize,
    /// And how large they may be all the same: a quarter of the client's share at first, so that it reads four things only
    /// before it has had any, and then twice as many with every small one. A hundred reads of a megabyte at once would
    /// find no room.
    doubt: usize,
}

enum Slot {
    /// A node's answer, once it is there, and how it is to be spelled.
    Node(Spelling, Option<Reply>),
    /// A line of ketch's own.
    Line(Bytes),
    /// Lines of ketch's own that are made at their turn.
    Later(Box<dyn FnOnce() -> String>),
}

/// How large a client's values are taken to be before it has had any.
const UNKNOWN: usize = 16 * 1024;

impl Replies {
    /// An empty queue whose values may hold `share` bytes even when memory is scarce.
    pub(super) fn new(charge: Charge, share: usize) -> Self {
        let queue = RefCell::new(Queue {
            slots: VecDeque::new(),
            first: 0,
            open: 0,
            reads: 0,
            here: 0,
            usual: UNKNOWN,
            doubt: share / 4,
        });
        Self { queue, charge, share: Cell::new(share), are_forgone: Cell::new(false) }
    }

    /// The client has gone: what is here is dropped, and so is what nodes still have to say.
    pub(super) fn forgo(&self) {
        self.are_forgone.set(true);
        let queue = &mut *self.queue.borrow_mut();
        queue.here = 0;
        for slot in &mut queue.slots {
            if let Slot::Node(_, reply) = slot {
                self.charge.free(reply.take().map_or(0, |reply| reply.weight()));
            }
        }
    }

    /// From now on its values may hold `share` bytes even when memory is scarce.
    pub(super) fn allow(&self, share: usize) {
        self.share.set(share);
    }

    /// A place behind all that was asked so far; the tag of its reply. `None` when there is no room for the question
    /// itself.
    #[inline]
    pub(super) fn owe(&self, spelling: Spelling) -> Option<u64> {
        if !self.charge.add_fairly(spelling.weight(), self.share.get()) {
            return None;
        }
        let mut queue = self.queue.borrow_mut();
        let tag = queue.first + queue.slots.len() as u64;
        queue.open += usize::from(spelling.is_heard());
        queue.reads += usize::from(spelling.is_read());
        queue.slots.push_back(Slot::Node(spelling, None));
        Some(tag)
    }

    /// An answer of ketch's own (with its line end), behind all that was asked so far.
    pub(super) fn say(&self, lines: Bytes) -> News {
        self.push(Slot::Line(lines))
    }

    /// An answer of ketch's own that is made when its turn comes, so that it tells of all before it.
    pub(super) fn say_later(&self, lines: impl FnOnce() -> String + 'static) -> News {
        self.push(Slot::Later(Box::new(lines)))
    }

    fn push(&self, slot: Slot) -> News {
        let mut queue = self.queue.borrow_mut();
        queue.slots.push_back(slot);
        if queue.slots.len() == 1 { News::Whole } else { News::Nothing }
    }

    /// Takes the reply to what was owed under `tag`.
    #[inline]
    pub(super) fn receive(&self, tag: u64, reply: Reply) -> News {
        if self.are_forgone.get() {
            return News::Nothing;
        }
        let queue = &mut *self.queue.borrow_mut();
        let place = usize::try_from(tag.wrapping_sub(queue.first)).unwrap_or(usize::MAX);
        let Some(Slot::Node(spelling, answer @ None)) = queue.slots.get_mut(place) else { return News::Nothing };
        queue.open -= usize::from(spelling.is_heard());
        let weight = reply.weight();
        if spelling.is_read() {
            queue.reads -= 1;
            queue.usual = (queue.usual - queue.usual / 8).max(weight);
            queue.doubt /= 2;
        }
        if self.charge.add_fairly(weight, self.share.get()) {
            *answer = Some(reply);
            queue.here += weight;
        } else {
            self.charge.tell();
            *answer = Some(Reply::never_sent(FailureKind::Memory));
        }
        match (queue.open, place) {
            (0, _) => News::Whole,
            (_, 0) => News::Turn,
            _ => News::Nothing,
        }
    }

    /// Moves every reply whose turn it is to `out`.
    pub(super) fn collect(&self, out: &mut Outbox) {
        let queue = &mut *self.queue.borrow_mut();
        let mut freed = 0;
        while let Some(slot) = queue.slots.front_mut() {
            match slot {
                Slot::Node(_, None) => break,
                Slot::Node(spelling, Some(reply)) => {
                    let weight = reply.weight();
                    queue.here -= weight;
                    freed += weight + spelling.weight();
                    encode_reply(spelling, reply, out);
                }
                Slot::Line(lines) => out.put_bytes(std::mem::take(lines)),
                Slot::Later(lines) => out.put(std::mem::replace(lines, Box::new(String::new))().as_bytes()),
            }
            queue.first += 1;
            queue.slots.pop_front();
        }
        if queue.slots.is_empty() {
            queue.slots.clear(); // begins at its front again: a client that asks one thing at a time stays in two cache lines
        }
        self.charge.free(freed);
    }

    /// The bytes of the values that wait here for their turn, or to be collected.
    #[inline]
    pub(super) fn here(&self) -> usize {
        self.queue.borrow().here
    }

    /// How many requests have no answer on its way to the client yet.
    pub(super) fn owed(&self) -> usize {
        self.queue.borrow().slots.len()
    }

    /// Whether every request has its answer, but for those to which nothing is said.
    pub(super) fn are_whole(&self) -> bool {
        self.queue.borrow().open == 0
    }

    /// Whether the client has `most` requests or its share of bytes to come: those of the keys and values that wait for
    /// their turn, and about what the open reads will add.
    #[inline]
    pub(super) fn are_full(&self, most: usize) -> bool {
        let queue = self.queue.borrow();
        let owed = queue.slots.len();
        owed >= most || owed > 0 && self.charge.held() + queue.reads * queue.usual.max(queue.doubt) >= self.share.get()
    }

    /// Where else the client's bytes are charged.
    pub(super) fn charge(&self) -> &Charge {
        &self.charge
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use bytes::Buf;
    use smallvec::smallvec;

    use super::*;
    use crate::memory::Memory;
    use crate::model::{Item, Key, Read, Request};

    fn replies(limit: usize) -> Replies {
        Replies::new(Charge::new(&Memory::new(limit, Arc::default())), limit)
    }

    fn heard(replies: &Replies) -> String {
        let mut out = Outbox::new();
        replies.collect(&mut out);
        String::from_utf8(out.copy_to_bytes(out.remaining()).to_vec()).unwrap()
    }

    #[test]
    fn replies_leave_in_the_order_of_the_requests() {
        let replies = replies(1000);
        let owe = |spelling| replies.owe(spelling).unwrap();
        let (first, second) = (owe(Spelling::Line), owe(Spelling::Line));
        assert_eq!(replies.say("MN\r\n".into()), News::Nothing);
        assert_eq!(replies.receive(second, Reply::Deleted), News::Nothing);
        assert_eq!(heard(&replies), "");
        assert_eq!(replies.receive(first, Reply::Stored), News::Whole);
        assert_eq!(heard(&replies), "STORED\r\nDELETED\r\nMN\r\n");
        assert_eq!(replies.owed(), 0);
        let (silent, first, second) = (owe(Spelling::Silent), owe(Spelling::Line), owe(Spelling::Line));
        assert_eq!(replies.receive(silent, Reply::Stored), News::Turn);
        assert_eq!(replies.receive(first, Reply::NotFound), News::Nothing);
        assert_eq!(heard(&replies), "NOT_FOUND\r\n");
        assert_eq!(replies.receive(second, Reply::Stored), News::Whole);
        assert_eq!(replies.say("MN\r\n".into()), News::Nothing);
        assert_eq!(heard(&replies), "STORED\r\nMN\r\n");
        assert_eq!(replies.say("MN\r\n".into()), News::Whole);
    }

    #[test]
    fn a_new_client_reads_four_things_and_writes_as_many_as_it_likes() {
        let replies = replies(1 << 20);
        let read = || {
            let read = Read { keys: Key::new(b"k").unwrap().into(), cas: false, touch: None };
            replies.owe(Spelling::Read(Rc::new(Request::Read(read)))).unwrap()
        };
        let _writes: Vec<_> = (0..100).map(|_| replies.owe(Spelling::Line).unwrap()).collect();
        assert!(!replies.are_full(101) && replies.are_full(100));
        let mut reads: Vec<_> = (0..3).map(|_| read()).collect();
        assert!(!replies.are_full(1000));
        reads.push(read());
        assert!(replies.are_full(1000));
        replies.receive(reads.remove(0), Reply::Items(smallvec![None])); // so small are they
        assert!(!replies.are_full(1000));
    }

    #[test]
    fn nothing_is_held_for_a_client_that_has_gone() {
        let replies = replies(1000);
        let owe = || replies.owe(Spelling::Line).unwrap();
        let (_stuck, second, third) = (owe(), owe(), owe());
        let before = replies.charge().held();
        let item = || Some(Item { flags: 0, cas: None, value: vec![b'v'; 100].into() });
        replies.receive(second, Reply::Items(smallvec![item()]));
        assert_eq!(replies.charge().held(), before + 100);
        replies.forgo();
        assert_eq!(replies.charge().held(), before);
        replies.receive(third, Reply::Items(smallvec![item()]));
        assert_eq!(replies.charge().held(), before);
    }

    #[test]
    fn a_value_that_finds_no_room_is_dropped_and_told() {
        let replies = replies(10);
        let key = Key::new(b"k").unwrap();
        let read = |size: usize| {
            let item = Item { flags: 0, cas: None, value: vec![b'v'; size].into() };
            let request = Request::Read(Read { keys: key.clone().into(), cas: false, touch: None });
            let tag = replies.owe(Spelling::Read(Rc::new(request))).unwrap();
            replies.receive(tag, Reply::Items(smallvec![Some(item)]));
        };
        read(8);
        read(8);
        assert_eq!(replies.charge().held(), 8);
        let memory = FailureKind::Memory.message();
        assert_eq!(heard(&replies), format!("VALUE k 0 8\r\nvvvvvvvv\r\nEND\r\nSERVER_ERROR {memory}\r\n"));
        read(8);
        assert_eq!(replies.charge().held(), 8);
    }
}
