//! What an unfinished read has come to so far.

use bytes::Bytes;

use super::decoder::TOO_LARGE;
use crate::model::{Item, Items};

/// The items of a read that has not ended, with `None` for each miss among them.
#[derive(Debug, Default)]
pub struct Found {
    items: Items,
    /// The bytes of their values.
    held: usize,
    /// There is no room for them: the rest of the read is understood, and dropped.
    given_up: bool,
}

impl Found {
    /// How many items and misses there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing of the read has come.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && !self.given_up
    }

    /// Whether what comes is dropped.
    #[inline]
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// The bytes of the values.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Adds what the next key has come to. The first makes room for `all`.
    #[inline]
    pub fn push(&mut self, item: Option<Item>, all: usize) {
        if self.items.is_empty() {
            self.items.reserve_exact(all);
        }
        let item = match item {
            Some(item) if self.given_up => Some(Item { value: Bytes::new(), ..item }),
            item => item,
        };
        self.held += item.as_ref().map_or(0, |item| item.value.len());
        self.items.push(item);
    }

    /// Adds nothing for a value that is too large to be taken. Asked for by itself it is refused, with these words; among
    /// `all` others it is a miss.
    pub fn push_too_large(&mut self, all: usize) -> Option<&'static [u8]> {
        self.push(None, all);
        (all == 1).then_some(TOO_LARGE)
    }

    /// Takes what is missing of the first `len` for misses.
    pub fn miss_up_to(&mut self, len: usize) {
        self.items.resize(len, None);
    }

    /// Drops the values, and those that are still to come.
    pub fn give_up(&mut self) {
        for item in self.items.iter_mut().flatten() {
            item.value = Bytes::new();
        }
        self.held = 0;
        self.given_up = true;
    }

    /// Ends the read: its items, or `None` if it was given up.
    #[inline]
    pub fn take(&mut self) -> Option<Items> {
        let Self { items, given_up, .. } = std::mem::take(self);
        (!given_up).then_some(items)
    }
}
