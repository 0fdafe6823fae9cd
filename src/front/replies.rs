//! The replies that a client is owed, in the order of its requests (promise 1).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::Bytes;

use crate::model::{Receive, Reply, ReplyTo};
use crate::wire::{Outbox, Spelling, encode_reply};

/// A client's queue: replies come in any order and leave in that of the requests.
#[derive(Default)]
pub(super) struct Replies {
    queue: RefCell<Queue>,
    /// The session is to finish what it owes and close.
    closing: Cell<bool>,
}

#[derive(Default)]
struct Queue {
    slots: VecDeque<Slot>,
    /// The tag of the first slot.
    first: u64,
    /// Bytes of the values that wait in slots.
    waiting: usize,
    task: Option<Waker>,
}

enum Slot {
    /// The node has not answered.
    Open(Spelling),
    /// Ready, but not at its turn.
    Answered(Spelling, Reply),
    /// A line of ketch's own.
    Line(Bytes),
}

impl Replies {
    /// A place behind all that was asked so far; the address of its reply.
    #[inline]
    pub(super) fn owe(self: &Rc<Self>, spelling: Spelling) -> ReplyTo {
        let mut queue = self.queue.borrow_mut();
        let tag = queue.first + queue.slots.len() as u64;
        queue.slots.push_back(Slot::Open(spelling));
        ReplyTo::new(self.clone(), tag)
    }

    /// An answer of ketch's own (with its line end), behind all that was asked so far.
    pub(super) fn say(&self, lines: impl Into<Bytes>) {
        self.queue.borrow_mut().slots.push_back(Slot::Line(lines.into()));
    }

    /// Moves every reply whose turn it is to `out`.
    pub(super) fn collect(&self, out: &mut Outbox) {
        let mut queue = self.queue.borrow_mut();
        while !matches!(queue.slots.front(), None | Some(Slot::Open(_))) {
            queue.first += 1;
            match queue.slots.pop_front() {
                Some(Slot::Answered(spelling, reply)) => {
                    queue.waiting -= weight(&reply);
                    encode_reply(&spelling, reply, out);
                }
                Some(Slot::Line(lines)) => out.put_bytes(lines),
                None | Some(Slot::Open(_)) => {}
            }
        }
    }

    /// How many requests have no answer on its way to the client yet.
    pub(super) fn owed(&self) -> usize {
        self.queue.borrow().slots.len()
    }

    /// Bytes of the values that wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.queue.borrow().waiting
    }

    /// Has `cx` woken when the reply whose turn it is comes.
    pub(super) fn listen(&self, cx: &Context<'_>) {
        let mut queue = self.queue.borrow_mut();
        match &mut queue.task {
            Some(task) => task.clone_from(cx.waker()),
            task => *task = Some(cx.waker().clone()),
        }
    }

    /// Tells the session to finish what it owes and close.
    pub(super) fn close(&self) {
        self.closing.set(true);
        if let Some(task) = &self.queue.borrow().task {
            task.wake_by_ref();
        }
    }

    /// Whether [`Replies::close`] was called.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }
}

impl Receive for Replies {
    #[inline]
    fn receive(&self, tag: u64, reply: Reply) {
        let queue = &mut *self.queue.borrow_mut();
        let place = usize::try_from(tag.wrapping_sub(queue.first)).unwrap_or(usize::MAX);
        let Some(slot) = queue.slots.get_mut(place) else { return };
        queue.waiting += weight(&reply);
        *slot = match std::mem::replace(slot, Slot::Line(Bytes::new())) {
            Slot::Open(spelling) => Slot::Answered(spelling, reply),
            answered => answered,
        };
        if let (0, Some(task)) = (place, &queue.task) {
            task.wake_by_ref();
        }
    }
}

/// The bytes of the values in a reply.
fn weight(reply: &Reply) -> usize {
    match reply {
        Reply::Items(items) => items.iter().flatten().map(|item| item.value.len()).sum(),
        Reply::Meta(meta) => meta.value.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    fn heard(replies: &Replies) -> String {
        let mut out = Outbox::new();
        replies.collect(&mut out);
        String::from_utf8(out.copy_to_bytes(out.remaining()).to_vec()).unwrap()
    }

    #[test]
    fn replies_leave_in_the_order_of_the_requests() {
        let replies = Rc::new(Replies::default());
        let (first, second) = (replies.owe(Spelling::Line), replies.owe(Spelling::Line));
        replies.say("MN\r\n");
        second.answer(Reply::Deleted);
        assert_eq!(heard(&replies), "");
        first.answer(Reply::Stored);
        assert_eq!(heard(&replies), "STORED\r\nDELETED\r\nMN\r\n");
        assert_eq!(replies.owed(), 0);
        replies.owe(Spelling::Silent).answer(Reply::Stored);
        replies.owe(Spelling::Line).answer(Reply::NotFound);
        assert_eq!(heard(&replies), "NOT_FOUND\r\n");
    }
}
