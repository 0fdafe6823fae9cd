//! The keys of a node that were written or deleted elsewhere while it was out.
//!
//! Before the node takes traffic again they are deleted on it, so that nobody reads what it had before.

use std::collections::HashSet;

use crate::model::Key;

/// How many bytes of keys one node's journal holds: 1 MiB. Past it the whole node is to be flushed.
const MOST: usize = 1024 * 1024;

/// What an entry costs beside the key's bytes.
const OVERHEAD: usize = 64;

/// Which keys a node must forget.
#[derive(Debug, Default)]
pub struct Journal {
    keys: HashSet<Key>,
    bytes: usize,
    overflow: bool,
}

/// What has to be done before a node may answer again.
#[derive(Debug, PartialEq, Eq)]
pub enum Amends {
    /// These keys are to be deleted on it.
    Delete(Vec<Key>),
    /// It is to be flushed: too many keys were written, or everything was.
    Flush,
}

impl Journal {
    /// Notes a write of `key`.
    pub fn note(&mut self, key: &Key) {
        if self.overflow || self.keys.contains(key) {
            return;
        }
        self.bytes += key.as_bytes().len() + OVERHEAD;
        if self.bytes > MOST {
            return self.note_all();
        }
        self.keys.insert(key.clone());
    }

    /// Notes a write of every key, as `flush_all` is one.
    pub fn note_all(&mut self) {
        *self = Self { overflow: true, ..Self::default() };
    }

    /// Whether a write of `key` is noted.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.overflow || self.keys.contains(key)
    }

    /// The keys that are noted, which stay so; `None` where nobody knows them.
    #[must_use]
    pub fn keys(&self) -> Option<Vec<Key>> {
        (!self.overflow).then(|| self.keys.iter().cloned().collect())
    }

    /// Takes what is noted and begins anew; `None` when there is nothing.
    pub fn take(&mut self) -> Option<Amends> {
        let noted = std::mem::take(self);
        match (noted.overflow, noted.keys.is_empty()) {
            (true, _) => Some(Amends::Flush),
            (false, true) => None,
            (false, false) => Some(Amends::Delete(noted.keys.into_iter().collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::new(format!("key-{number}").as_bytes()).unwrap()
    }

    #[test]
    fn a_key_is_noted_once() {
        let mut journal = Journal::default();
        journal.note(&key(1));
        journal.note(&key(1));
        assert_eq!(journal.keys(), Some(vec![key(1)]));
        assert_eq!(journal.take(), Some(Amends::Delete(vec![key(1)])));
        assert_eq!((journal.take(), journal.has(&key(1))), (None, false));
    }

    #[test]
    fn too_many_keys_come_to_a_flush_and_hold_no_memory() {
        let mut journal = Journal::default();
        (0..MOST / OVERHEAD).for_each(|number| journal.note(&key(number)));
        assert!(journal.keys.is_empty() && journal.keys().is_none() && journal.has(&key(1)));
        assert_eq!(journal.take(), Some(Amends::Flush));
        journal.note_all();
        assert_eq!(journal.take(), Some(Amends::Flush));
    }
}
