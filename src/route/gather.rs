//! Puts the answers of several owners together, in the client's order.

use std::rc::Rc;

use super::assembly::Assembly;
use crate::memory::Charge;
use crate::model::{Receive, Reply, ReplyTo};

/// A multi-get whose parts are under way.
///
/// An owner that refused or failed takes the place of the whole answer; where the pool counts errors as misses,
/// its part has come as misses and nothing is lost but those.
pub struct Gather {
    /// By part: where each of its keys stands in the client's list.
    positions: Vec<Vec<u32>>,
    listener: u8,
    assembly: Assembly,
}

impl Gather {
    /// Waits for `positions.len()` parts that together have `keys` keys.
    #[must_use]
    pub fn new(keys: usize, positions: Vec<Vec<u32>>, charge: Charge, reply_to: ReplyTo) -> Rc<Self> {
        let listener = reply_to.listener();
        let assembly = Assembly::new(keys, positions.len(), charge, reply_to);
        Rc::new(Self { positions, listener, assembly })
    }

    /// The return address of one part.
    #[must_use]
    pub fn part(self: &Rc<Self>, index: usize) -> ReplyTo {
        ReplyTo::new(self.clone(), index as u64).by(self.listener)
    }
}

impl Receive for Gather {
    fn receive(&self, tag: u64, reply: Reply) {
        let whole = self.assembly.hear(reply, |items| {
            let positions = usize::try_from(tag).ok().and_then(|part| self.positions.get(part));
            self.assembly.place(positions.into_iter().flatten().copied(), items);
        });
        if let Some((reply_to, whole)) = whole {
            reply_to.answer(whole);
        }
    }
}
