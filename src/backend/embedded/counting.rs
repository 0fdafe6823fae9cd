//! Adding to and taking from a number: what `incr`, `decr` and `ma` share.

use std::sync::Arc;

use super::clock::Moment;
use super::item::{Item, Label};
use super::shelves::{Edit, Spot};
use super::{Store, limits, number};

/// What is to be added or taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub decrement: bool,
    pub delta: u64,
    /// The token that the item must have; 0 for any.
    pub token: u64,
    /// The token that the item is to get, instead of the next.
    pub new_token: Option<u64>,
}

/// What became of a [`Step`].
#[derive(Debug)]
pub(super) enum Sum {
    NotFound,
    Exists,
    NotANumber,
    Done {
        value: u64,
        item: Arc<Item>,
        /// The number did not fit into its old length, and the item is a new one.
        grown: bool,
    },
}

impl Store {
    /// Takes the step; `edit` is held by the caller, who may have more to do with the item.
    pub(super) fn count(&self, spot: &Spot<'_>, edit: &Edit<'_>, step: Step, when: Moment) -> Sum {
        let Some(old) = self.live_unmoved(spot, when) else {
            return Sum::NotFound;
        };
        if old.value_len() == 0 || !limits::is_whole(&old) {
            return Sum::NotANumber;
        }
        if step.token != 0 && step.token != old.token() {
            return Sum::Exists;
        }
        let Some(before) = number::unsigned(old.value_bytes()) else {
            return Sum::NotANumber;
        };
        let value = match step.decrement {
            true => before.saturating_sub(step.delta),
            false => before.wrapping_add(step.delta),
        };
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value).as_bytes();
        let grown = digits.len() > old.value_len();
        let label = Label {
            key: spot.key,
            hash: spot.hash,
            flags: old.flags(),
            deadline: old.deadline(),
            token: step.new_token.unwrap_or_else(|| self.token()),
            // memcached writes a number that fits over the old one and allocates a new item otherwise.
            marks: if grown { 0 } else { old.marks() },
        };
        let padding = vec![b' '; old.value_len().saturating_sub(digits.len())];
        let item = edit.put(Item::new(label, &[digits, &padding], when));
        Sum::Done { value, item, grown }
    }
}
