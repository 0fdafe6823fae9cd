//! Puts the answers of several owners together, in the client's order.

use std::cell::RefCell;
use std::rc::Rc;

use crate::memory::Charge;
use crate::model::{FailureKind, Items, Receive, Reply, ReplyTo};

/// A multi-get whose parts are under way.
///
/// An owner that refused or failed takes the place of the whole answer; where the pool counts errors as misses,
/// its part has come as misses and nothing is lost but those.
pub struct Gather {
    /// By part: where each of its keys stands in the client's list.
    positions: Vec<Vec<u32>>,
    /// The values that wait for the others.
    charge: Charge,
    listener: u8,
    state: RefCell<State>,
}

struct State {
    items: Items,
    missing: usize,
    trouble: Option<Reply>,
    reply_to: Option<ReplyTo>,
}

impl Gather {
    /// Waits for `positions.len()` parts that together have `keys` keys.
    #[must_use]
    pub fn new(keys: usize, positions: Vec<Vec<u32>>, charge: Charge, reply_to: ReplyTo) -> Rc<Self> {
        let items = std::iter::repeat_n(None, keys).collect();
        let listener = reply_to.listener();
        let state = State { items, missing: positions.len(), trouble: None, reply_to: Some(reply_to) };
        Rc::new(Self { positions, charge, listener, state: RefCell::new(state) })
    }

    /// The return address of one part.
    #[must_use]
    pub fn part(self: &Rc<Self>, index: usize) -> ReplyTo {
        ReplyTo::new(self.clone(), index as u64).by(self.listener)
    }
}

impl Receive for Gather {
    fn receive(&self, tag: u64, reply: Reply) {
        let mut state = self.state.borrow_mut();
        match reply {
            Reply::Items(_) if !self.charge.add(reply.weight()) => {
                self.charge.tell();
                state.trouble.get_or_insert(Reply::never_sent(FailureKind::Memory));
            }
            Reply::Items(items) => {
                let positions = usize::try_from(tag).ok().and_then(|part| self.positions.get(part));
                for (position, item) in positions.into_iter().flatten().zip(items) {
                    state.items[*position as usize] = item;
                }
            }
            trouble => {
                state.trouble.get_or_insert(trouble);
            }
        }
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
            reply_to.answer(whole);
        }
    }
}
