//! Bytes that were read and are not understood yet.

use std::ops::Deref;

use bytes::Bytes;

use super::cut::SPLIT;

/// What a client has said, in order: read at the end, taken off at the front.
///
/// An inbox that runs empty begins at its front again, so that small reads always come to the same few cache lines.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// How much of them was taken off.
    start: usize,
}

impl Inbox {
    /// An empty inbox, without an allocation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much memory it has.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Drops what is in it, and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Takes `count` bytes off, or all if they are fewer.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.bytes.len() {
            self.clear();
        }
    }

    /// Takes `count` bytes off as a value; all if they are fewer. A large one that fills most of the buffer takes it along,
    /// others are copied out of it.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.len());
        if count >= SPLIT && count > self.capacity() / 2 {
            return self.split(count);
        }
        let value = Bytes::copy_from_slice(&self[..count]);
        self.advance(count);
        value
    }

    /// The value keeps the buffer that it was read into; what is behind it moves.
    #[cold]
    fn split(&mut self, count: usize) -> Bytes {
        let rest = Self::from(&self[count..]);
        let Self { bytes, start } = std::mem::replace(self, rest);
        Bytes::from(bytes).slice(start..start + count)
    }

    /// Makes room for `room` more bytes; for `usual` at least, so that small ones come together.
    ///
    /// What is larger than usual gets just its room: a large value keeps the buffer that it was read into, and what is
    /// charged is the value.
    #[inline]
    pub fn make_room(&mut self, room: usize, usual: usize) {
        if self.bytes.capacity() - self.bytes.len() < room {
            self.grow(room, usual);
        }
    }

    fn grow(&mut self, room: usize, usual: usize) {
        if room <= usual {
            self.bytes.drain(..std::mem::take(&mut self.start));
            return self.bytes.reserve(usual);
        }
        let mut larger = Vec::with_capacity(self.len() + room);
        larger.extend_from_slice(self);
        *self = Self { bytes: larger, start: 0 };
    }

    /// Where more is put: behind what is there, as far as there is room.
    #[inline]
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Deref for Inbox {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// A copy, with no more memory than it needs.
impl From<&[u8]> for Inbox {
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), start: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(bytes: &[u8], room: usize) -> Inbox {
        let mut inbox = Inbox::new();
        inbox.make_room(room, room);
        inbox.end().extend_from_slice(bytes);
        inbox
    }

    #[test]
    fn what_was_taken_off_is_not_seen_again() {
        let mut inbox = inbox(b"get a\r\nget b\r\n", 100);
        inbox.advance(7);
        assert_eq!(&inbox[..], b"get b\r\n");
        inbox.end().extend_from_slice(b"mn");
        assert_eq!(inbox.take(5), b"get b"[..]);
        assert_eq!(&inbox[..], b"\r\nmn");
        inbox.advance(100);
        assert!(inbox.is_empty());
    }

    #[test]
    fn an_empty_inbox_begins_at_its_front_again() {
        let mut inbox = inbox(b"get a\r\n", 100);
        inbox.advance(7);
        let (front, capacity) = (inbox.end().as_ptr(), inbox.capacity());
        inbox.make_room(capacity, capacity);
        assert_eq!((inbox.end().as_ptr(), inbox.capacity()), (front, capacity));
    }

    #[test]
    fn a_large_value_takes_its_buffer_along() {
        let mut inbox = inbox(&[b'v'; SPLIT + 2], SPLIT + 2);
        let front = inbox.as_ptr();
        let value = inbox.take(SPLIT);
        assert_eq!((value.as_ptr(), value.len(), inbox.len()), (front, SPLIT, 2));
    }

    #[test]
    fn a_value_that_is_small_in_its_buffer_leaves_it_behind() {
        for (size, room) in [(SPLIT - 1, SPLIT + 2), (SPLIT, 64 * 1024)] {
            let mut inbox = inbox(&[b'v'; SPLIT + 2], room);
            let capacity = inbox.capacity();
            assert_eq!(inbox.take(size).len(), size);
            assert_eq!((inbox.capacity(), inbox.len()), (capacity, SPLIT + 2 - size));
        }
    }

    #[test]
    fn half_a_line_moves_to_the_front_for_more() {
        let mut inbox = inbox(b"get a\r\nget b", 12);
        inbox.advance(7);
        inbox.make_room(10, 20);
        assert_eq!(&inbox[..], b"get b");
        assert!(inbox.capacity() >= 25);
        inbox.make_room(1000, 20);
        assert_eq!((&inbox[..], inbox.capacity()), (&b"get b"[..], 1005));
    }
}
