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

use super::calls::{Call, Way};
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
    /// Under which identical reads of `keys` find each other.
    #[inline]
    pub(super) fn print(&self, keys: &[Key]) -> u64 {
        match keys {
            [key] => self.hasher.hash_one(key.as_bytes()),
            keys => self.hasher.hash_one(keys),
        }
    }

    /// The open call that asks `question` of the same node: an owner that has been put out has no answer for those
    /// who come now.
    #[inline]
    pub(super) fn find(&self, open: &Slab<Call>, print: u64, question: &Request, way: Way<'_>) -> Option<usize> {
        let same = |tag: &usize| {
            let call = &open[*tag];
            let same_way = matches!((call.way().link, way.link), (Ok(one), Ok(other)) if Rc::ptr_eq(one, other));
            same_way && call.question.as_ref() == Some(question)
        };
        self.table(question.keys().len()).find(print, same).copied()
    }

    /// From now on the call is found by identical reads, instead of an earlier one.
    #[inline]
    pub(super) fn list(&mut self, open: &mut Slab<Call>, print: u64, tag: usize) {
        let Some(question) = &open[tag].question else { return };
        let same = |other: &usize| open[*other].question.as_ref() == Some(question);
        let earlier = match self
            .table_mut(question.keys().len())
            .entry(print, same, |other| open[*other].print.unwrap_or_default())
        {
            Entry::Occupied(mut entry) => Some(std::mem::replace(entry.get_mut(), tag)),
            Entry::Vacant(entry) => {
                entry.insert(tag);
                None
            }
        };
        if let Some(earlier) = earlier {
            open[earlier].print = None;
        }
        open[tag].print = Some(print);
    }

    /// The call, which was open under `tag`, is not found any more.
    #[inline]
    pub(super) fn unlist(&mut self, call: &Call, tag: usize) {
        let (Some(print), Some(question)) = (call.print, &call.question) else { return };
        if let Ok(entry) = self.table_mut(question.keys().len()).find_entry(print, |other| *other == tag) {
            entry.remove();
        }
    }

    /// Takes one read that `write` touches off the list; its tag.
    pub(super) fn unlist_touched(&mut self, open: &mut Slab<Call>, write: &Request) -> Option<usize> {
        for tag in self.several.drain() {
            open[tag].print = None;
        }
        if self.single.is_empty() {
            return None;
        }
        let tag = match write.keys() {
            [] => *self.single.iter().next()?, // a flush touches them all
            keys => *keys.iter().find_map(|key| {
                self.single.find(self.print(std::slice::from_ref(key)), |tag| keys_of(&open[*tag]).first() == Some(key))
            })?,
        };
        self.unlist(&open[tag], tag);
        open[tag].print = None;
        Some(tag)
    }

    fn table(&self, keys: usize) -> &HashTable<usize> {
        if keys == 1 { &self.single } else { &self.several }
    }

    fn table_mut(&mut self, keys: usize) -> &mut HashTable<usize> {
        if keys == 1 { &mut self.single } else { &mut self.several }
    }
}

fn keys_of(call: &Call) -> &[Key] {
    call.question.as_ref().map_or(&[], Request::keys)
}
