//! Finds open reads that a new one may share (promise 5, fresh joins).
//!
//! A read that was not written to the socket yet is joined: the node has still to look. One that was is waited
//! for, and all who wait share the next. A write to a key takes its reads off the list.
//! Several keys in one read are found again only as the same list, only while it is unsent, and only until the
//! lane's next write.

use std::hash::BuildHasher;
use std::rc::Rc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use slab::Slab;

use super::calls::Call;
use crate::model::{Key, Request};

/// The open reads of a lane by their keys: tags of its calls.
#[derive(Default)]
pub(super) struct Flights {
    hasher: hashbrown::DefaultHashBuilder,
    /// Reads of one key.
    single: HashTable<usize>,
    /// Reads of several.
    several: HashTable<usize>,
}

impl Flights {
    /// Adds whoever asks to an open call for the same; gives `call` back where there is none.
    pub(super) fn join(&mut self, open: &mut Slab<Call>, call: Call) -> Option<Call> {
        let Some(question) = &call.question else { return Some(call) };
        let keys = question.keys();
        let hash = self.hasher.hash_one(keys);
        let same = |tag: &usize| open[*tag].question.as_ref() == Some(question) && same_way(&open[*tag], &call);
        let Some(&tag) = self.table(keys).find(hash, same) else { return Some(call) };
        let is_single = keys.len() == 1;
        let earlier = &mut open[tag];
        if earlier.departures == call.departures {
            earlier.joined.push(call.reply_to);
        } else if is_single {
            earlier.wait(call.reply_to);
        } else {
            return Some(call);
        }
        None
    }

    /// From now on the call is found by identical reads, instead of an earlier one.
    pub(super) fn list(&mut self, open: &Slab<Call>, tag: usize) {
        let Some(question) = &open[tag].question else { return };
        let hasher = self.hasher.clone();
        let hash = hasher.hash_one(question.keys());
        let same = |other: &usize| open[*other].question.as_ref() == Some(question);
        let table = self.table_mut(question.keys());
        match table.entry(hash, same, |other| hasher.hash_one(keys_of(&open[*other]))) {
            Entry::Occupied(mut entry) => *entry.get_mut() = tag,
            Entry::Vacant(entry) => drop(entry.insert(tag)),
        }
    }

    /// The call is not found any more; whether it was.
    pub(super) fn unlist(&mut self, open: &Slab<Call>, tag: usize) -> bool {
        let keys = keys_of(&open[tag]);
        if keys.is_empty() {
            return false;
        }
        let hash = self.hasher.hash_one(keys);
        let entry = self.table_mut(keys).find_entry(hash, |other| *other == tag);
        entry.map(|entry| entry.remove()).is_ok()
    }

    /// Takes one read that `write` touches off the list; its tag.
    pub(super) fn unlist_touched(&mut self, open: &Slab<Call>, write: &Request) -> Option<usize> {
        self.several.clear();
        if self.single.is_empty() {
            return None;
        }
        if write.keys().is_empty() {
            let tag = *self.single.iter().next()?; // a flush touches them all
            self.unlist(open, tag);
            return Some(tag);
        }
        write.keys().iter().find_map(|key| {
            let hash = self.hasher.hash_one(std::slice::from_ref(key));
            let entry = self.single.find_entry(hash, |tag| keys_of(&open[*tag]).first() == Some(key));
            Some(entry.ok()?.remove().0)
        })
    }

    fn table(&self, keys: &[Key]) -> &HashTable<usize> {
        if keys.len() == 1 { &self.single } else { &self.several }
    }

    fn table_mut(&mut self, keys: &[Key]) -> &mut HashTable<usize> {
        if keys.len() == 1 { &mut self.single } else { &mut self.several }
    }
}

/// Whether both ask the same node: an owner that has been put out has no answer for those who come now.
fn same_way(one: &Call, other: &Call) -> bool {
    matches!((&one.link, &other.link), (Ok(one), Ok(other)) if Rc::ptr_eq(one, other))
}

fn keys_of(call: &Call) -> &[Key] {
    call.question.as_ref().map_or(&[], Request::keys)
}
