//! Storing under a condition: what `set`, `add`, `replace`, `append`, `prepend`, `cas` and `ms` share.

use std::sync::Arc;

use super::Store;
use super::clock::Moment;
use super::item::{Item, Label, mark};
use super::shelves::{Edit, Spot};
use crate::model::StoreMode;

/// What is to be stored, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    /// The condition; [`StoreMode::Cas`] has its token.
    pub mode: StoreMode,
    /// The client's opaque 32 bits.
    pub flags: u32,
    /// The second in which the item is over, 0 for never.
    pub deadline: u32,
    /// The value.
    pub value: &'a [u8],
    /// Whether the key came as base64.
    pub binary_key: bool,
    /// The token that an append or prepend insists on; 0 for none.
    pub token: u64,
    /// The token that the item is to get, instead of the next.
    pub new_token: Option<u64>,
    /// Whether a token older than the item's stores all the same and marks the item stale.
    pub or_stale: bool,
    /// Whether an append or prepend to nothing stores.
    pub or_create: bool,
    /// Whether a value that is too large removes the item that it was to take the place of.
    pub too_large_removes: bool,
}

/// What became of a [`Wish`].
#[derive(Debug)]
pub(super) enum Outcome {
    Stored(Arc<Item>),
    NotStored,
    Exists,
    NotFound,
    TooLarge,
}

impl Store {
    /// Stores what is wished at `spot`, or says why not.
    pub(super) fn store(&self, spot: &Spot<'_>, wish: Wish<'_>, when: Moment) -> Outcome {
        let edit = spot.edit();
        if !self.limits.fits(spot.key, wish.flags, wish.value.len()) {
            if wish.too_large_removes {
                edit.remove(spot);
            }
            return Outcome::TooLarge;
        }
        let old = self.live_unmoved(spot, when);
        let put = Putting { store: self, spot, edit, wish, when };
        match old {
            Some(old) => put.over(&old),
            None => put.anew(),
        }
    }
}

struct Putting<'a> {
    store: &'a Store,
    spot: &'a Spot<'a>,
    edit: Edit<'a>,
    wish: Wish<'a>,
    when: Moment,
}

impl Putting<'_> {
    fn over(&self, old: &Arc<Item>) -> Outcome {
        match self.wish.mode {
            StoreMode::Set | StoreMode::Replace => self.put(self.wish.deadline, 0),
            StoreMode::Add => {
                old.set_last_used(self.when);
                Outcome::NotStored
            }
            StoreMode::Cas(token) => self.compare_and_put(old, token),
            StoreMode::Append => self.extend(old, &[old.value_bytes(), self.wish.value]),
            StoreMode::Prepend => self.extend(old, &[self.wish.value, old.value_bytes()]),
        }
    }

    fn anew(&self) -> Outcome {
        match self.wish.mode {
            StoreMode::Set | StoreMode::Add => self.put(self.wish.deadline, 0),
            StoreMode::Append | StoreMode::Prepend if self.wish.or_create => self.put(self.wish.deadline, 0),
            StoreMode::Cas(_) => Outcome::NotFound,
            StoreMode::Replace | StoreMode::Append | StoreMode::Prepend => Outcome::NotStored,
        }
    }

    fn compare_and_put(&self, old: &Item, token: u64) -> Outcome {
        if token != 0 && token == old.token() {
            return self.put(self.wish.deadline, 0);
        }
        // Late, but better than what is there for who may read stale values; its life and who is making the
        // next value stay as they are.
        if self.wish.or_stale && token != 0 && token < old.token() {
            return self.put(old.deadline(), mark::STALE | (old.marks() & mark::TOKEN_SENT));
        }
        Outcome::Exists
    }

    fn put(&self, deadline: u32, marks: u8) -> Outcome {
        let binary = if self.wish.binary_key { mark::BINARY_KEY } else { 0 };
        let label = self.label(self.wish.flags, deadline, marks | binary);
        Outcome::Stored(self.edit.put(Item::new(label, &[self.wish.value], self.when)))
    }

    /// The item keeps its flags and its life, and nothing else: marks go, as in memcached.
    fn extend(&self, old: &Item, parts: &[&[u8]]) -> Outcome {
        if self.wish.token != 0 && self.wish.token != old.token() {
            return Outcome::Exists;
        }
        if !self.store.limits.fits(self.spot.key, old.flags(), old.value_len() + self.wish.value.len()) {
            return Outcome::NotStored;
        }
        let label = self.label(old.flags(), old.deadline(), 0);
        Outcome::Stored(self.edit.put(Item::new(label, parts, self.when)))
    }

    fn label(&self, flags: u32, deadline: u32, marks: u8) -> Label<'_> {
        let token = self.wish.new_token.unwrap_or_else(|| self.store.token());
        Label { key: self.spot.key, hash: self.spot.hash, flags, deadline, token, marks }
    }
}
