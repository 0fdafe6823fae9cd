//! Finds open reads that a new one may share (promise 5, fresh joins).
//!
//! A read that was not written to the socket yet is joined: the node has still to look. One that was is waited
//! for, and all who wait share the next. A write to a key takes its reads off the list.
//! Several keys in one read are found again only as the same list, only while it is unsent, and only until the
//! lane's next write.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use slab::Slab;
use smallvec::SmallVec;

use super::calls::{Call, Way};
use crate::model::{Key, Request};

/// How many reads of one key can be found: one at each place.
const PLACES: usize = 4096;

/// The open reads of a lane by their keys: tags of its calls.
pub(super) struct Flights {
    hasher: hashbrown::DefaultHashBuilder,
    /// Reads of one key, each at the place of its key, where it is found and left by one look. Keys that share a place
    /// (one in [`PLACES`] does) put each other out of it, so that a read is now and then asked that could have joined.
    single: Box<[Option<Tag>]>,
    /// Reads of several.
    several: HashTable<usize>,
}

/// The tag of a call and 1.
type Tag = std::num::NonZeroU32;

impl Default for Flights {
    fn default() -> Self {
        let single = vec![None; PLACES].into();
        Self { hasher: hashbrown::DefaultHashBuilder::default(), single, several: HashTable::new() }
    }
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
            call.print == Some(print) && call.goes(way) && call.question.as_deref() == Some(question)
        };
        match question.keys() {
            [_] => self.single[place(print)].map(tag_of).filter(same),
            _ => self.several.find(print, same).copied(),
        }
    }

    /// From now on the call is found by identical reads, instead of an earlier one; but not instead of one that others
    /// wait for, since a write has to find these.
    #[inline]
    pub(super) fn list(&mut self, open: &mut Slab<Call>, print: u64, tag: usize) {
        let earlier = match open[tag].keys {
            1 => {
                let place = &mut self.single[place(print)];
                let earlier = place.map(tag_of);
                if earlier.is_some_and(|earlier| open[earlier].is_waited_for()) {
                    return;
                }
                *place = u32::try_from(tag + 1).ok().and_then(Tag::new);
                earlier
            }
            _ => self.list_several(open, print, tag),
        };
        if let Some(earlier) = earlier {
            open[earlier].print = None;
        }
        open[tag].print = Some(print);
    }

    fn list_several(&mut self, open: &Slab<Call>, print: u64, tag: usize) -> Option<usize> {
        let same = |other: &usize| open[*other].question == open[tag].question;
        match self.several.entry(print, same, |other| open[*other].print.unwrap_or_default()) {
            Entry::Occupied(mut entry) => Some(std::mem::replace(entry.get_mut(), tag)),
            Entry::Vacant(entry) => {
                entry.insert(tag);
                None
            }
        }
    }

    /// The call, which was open under `tag`, is not found any more.
    #[inline]
    pub(super) fn unlist(&mut self, call: &Call, tag: usize) {
        let Some(print) = call.print else { return };
        if call.keys == 1 {
            self.single[place(print)] = None;
        } else if let Ok(entry) = self.several.find_entry(print, |other| *other == tag) {
            entry.remove();
        }
    }

    /// Takes the reads that `write` touches off the list; their tags.
    pub(super) fn unlist_touched(&mut self, open: &mut Slab<Call>, write: &Request) -> SmallVec<[usize; 1]> {
        for tag in self.several.drain() {
            open[tag].print = None;
        }
        let touched: SmallVec<[usize; 1]> = match write.keys() {
            [] => self.single.iter().flatten().copied().map(tag_of).collect(), // a flush touches them all
            keys => keys.iter().filter_map(|key| self.read_of(open, key)).collect(),
        };
        for tag in &touched {
            self.unlist(&open[*tag], *tag);
            open[*tag].print = None;
        }
        touched
    }

    fn read_of(&self, open: &Slab<Call>, key: &Key) -> Option<usize> {
        let tag = self.single[place(self.print(std::slice::from_ref(key)))].map(tag_of)?;
        (keys_of(&open[tag]).first() == Some(key)).then_some(tag)
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // less than PLACES
fn place(print: u64) -> usize {
    print as usize % PLACES
}

#[inline]
fn tag_of(tag: Tag) -> usize {
    tag.get() as usize - 1
}

fn keys_of(call: &Call) -> &[Key] {
    call.question.as_deref().map_or(&[], Request::keys)
}
