//! A multi-get while its parts are under way: what has come so far, in the client's order.

use std::cell::RefCell;

use crate::memory::Charge;
use crate::model::{FailureKind, Items, Reply, ReplyTo};

/// The items that have come, and how many parts are still to.
///
/// A part that was refused or failed takes the place of the whole answer.
pub(super) struct Assembly {
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

impl Assembly {
    /// Waits for so many parts that together have `keys` keys.
    pub(super) fn new(keys: usize, parts: usize, charge: Charge, reply_to: ReplyTo) -> Self {
        let items = std::iter::repeat_n(None, keys).collect();
        let state = State { items, missing: parts, trouble: None, reply_to: Some(reply_to) };
        Self { charge, state: RefCell::new(state) }
    }

    /// Waits for so many parts more.
    pub(super) fn expect(&self, parts: usize) {
        self.state.borrow_mut().missing += parts;
    }

    /// Puts items where their keys stand in the client's list.
    pub(super) fn place(&self, positions: impl Iterator<Item = u32>, items: Items) {
        let state = &mut *self.state.borrow_mut();
        for (position, item) in positions.zip(items) {
            if let Some(place) = state.items.get_mut(position as usize) {
                *place = item;
            }
        }
    }

    /// Hears one part, whose items `take` is to place; the whole, and whose it is, once none is missing.
    pub(super) fn hear(&self, reply: Reply, take: impl FnOnce(Items)) -> Option<(ReplyTo, Reply)> {
        match reply {
            Reply::Items(_) if !self.charge.add(reply.weight()) => {
                self.charge.tell();
                self.state.borrow_mut().trouble.get_or_insert(Reply::never_sent(FailureKind::Memory));
            }
            Reply::Items(items) => take(items),
            trouble => drop(self.state.borrow_mut().trouble.get_or_insert(trouble)),
        }
        let state = &mut *self.state.borrow_mut();
        state.missing -= 1;
        if state.missing > 0 {
            return None;
        }
        self.charge.free(usize::MAX); // from here on the values are the receiver's
        let whole = match state.trouble.take() {
            Some(trouble) => trouble,
            None => Reply::Items(std::mem::take(&mut state.items)),
        };
        Some((state.reply_to.take()?, whole))
    }
}
