//! One item: its bytes never change, what is noted about it does.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;

use super::clock::Moment;

/// Marks of an item, as bits.
pub(super) mod mark {
    /// It has been read.
    pub const FETCHED: u8 = 1;
    /// `md … I`, or an `ms … I` that came late: readers are told `X`.
    pub const STALE: u8 = 1 << 1;
    /// Somebody was told `W` and is making a new value; others are told `Z`.
    pub const TOKEN_SENT: u8 = 1 << 2;
    /// Its key came as base64.
    pub const BINARY_KEY: u8 = 1 << 3;
    /// It is being put in its place and may not be evicted yet.
    pub const PINNED: u8 = 1 << 4;
}

/// A key with its value. Key and value lie in one allocation; the value is handed out by reference count.
#[derive(Debug)]
pub(super) struct Item {
    /// The key, then the value.
    bytes: Bytes,
    hash: u64,
    token: AtomicU64,
    flags: u32,
    deadline: AtomicU32,
    last_used: AtomicU32,
    key_len: u8,
    marks: AtomicU8,
}

/// What an item has besides its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'a> {
    /// 1 to 250 bytes.
    pub key: &'a [u8],
    /// The hash that finds the key.
    pub hash: u64,
    /// The client's opaque 32 bits.
    pub flags: u32,
    /// The second in which it is over, 0 for never.
    pub deadline: u32,
    /// The cas token.
    pub token: u64,
    /// Bits of [`mark`].
    pub marks: u8,
}

impl Item {
    /// An item whose value is `parts`, one behind the other. They are copied: what a client sent lies in a
    /// buffer that must not live as long as the item.
    pub fn new(label: Label<'_>, parts: &[&[u8]], when: Moment) -> Self {
        let len = label.key.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(label.key);
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        Self {
            bytes: bytes.into(),
            hash: label.hash,
            token: AtomicU64::new(label.token),
            flags: label.flags,
            deadline: AtomicU32::new(label.deadline),
            last_used: AtomicU32::new(when.at),
            #[allow(clippy::cast_possible_truncation)] // a key has at most 250 bytes
            key_len: label.key.len() as u8,
            marks: AtomicU8::new(label.marks),
        }
    }

    pub fn key(&self) -> &[u8] {
        &self.bytes[..usize::from(self.key_len)]
    }

    /// The value where it lies.
    pub fn value_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.key_len)..]
    }

    /// The value to hand out: a count, no copy.
    pub fn value(&self) -> Bytes {
        self.bytes.slice(usize::from(self.key_len)..)
    }

    pub fn value_len(&self) -> usize {
        self.bytes.len() - usize::from(self.key_len)
    }

    /// Bytes of key and value.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn flags(&self) -> u32 {
        self.flags
    }

    pub fn token(&self) -> u64 {
        self.token.load(Ordering::Acquire)
    }

    pub fn set_token(&self, token: u64) {
        self.token.store(token, Ordering::Release);
    }

    /// The second in which it is over, 0 for never.
    pub fn deadline(&self) -> u32 {
        self.deadline.load(Ordering::Relaxed)
    }

    pub fn set_deadline(&self, deadline: u32) {
        self.deadline.store(deadline, Ordering::Relaxed);
    }

    pub fn is_expired(&self, when: Moment) -> bool {
        let deadline = self.deadline();
        deadline != 0 && deadline <= when.at
    }

    /// The second of the last use, as memcached takes it.
    pub fn last_used(&self) -> u32 {
        self.last_used.load(Ordering::Relaxed)
    }

    pub fn set_last_used(&self, when: Moment) {
        self.last_used.store(when.at, Ordering::Relaxed);
    }

    pub fn has(&self, mark: u8) -> bool {
        self.marks() & mark != 0
    }

    pub fn marks(&self) -> u8 {
        self.marks.load(Ordering::Relaxed)
    }

    /// Sets and clears marks in one step.
    pub fn remark(&self, set: u8, clear: u8) {
        if clear == 0 {
            self.marks.fetch_or(set, Ordering::Relaxed);
            return;
        }
        // The closure always gives a value, so this cannot fail.
        let _ = self.marks.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |marks| Some((marks | set) & !clear));
    }

    /// Notes a read: the first only marks the item, later ones move its last use. Writes nothing where
    /// nothing changes, so that a hot item stays in every core's cache.
    pub fn note_read(&self, when: Moment) {
        if !self.has(mark::FETCHED) {
            self.remark(mark::FETCHED, 0);
        } else if self.last_used() != when.at {
            self.set_last_used(when);
        }
    }
}
