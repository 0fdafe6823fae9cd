//! Bytes that wait to be written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// From this size on a value is linked, not copied: 4 KiB.
const LINK: usize = 4096;

/// Written bytes are moved out of the way once there are this many of them and they are half of the text: 16 KiB.
const COMPACT: usize = 16 * 1024;

/// Bytes that wait to be written, in order: one growing text, with large values linked in between.
///
/// It is a [`Buf`], so that one vectored write takes text and values together.
#[derive(Debug, Default)]
pub struct Outbox {
    text: Vec<u8>,
    /// How much of `text` is written already.
    start: usize,
    /// The linked values, each with the length of `text` before it.
    links: VecDeque<(usize, Bytes)>,
    /// Bytes that wait in `links`.
    linked: usize,
}

impl Outbox {
    /// An empty outbox, without an allocation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a copy of `bytes`.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    /// Adds `bytes`: linked from 4 KiB on, copied below.
    #[inline]
    pub fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < LINK {
            return self.put(&bytes);
        }
        self.linked += bytes.len();
        self.links.push_back((self.text.len(), bytes));
    }

    /// [`Self::put_bytes`] of bytes that are taken from where they are, if they are linked.
    #[inline]
    pub fn put_taken(&mut self, bytes: &mut Bytes) {
        if bytes.len() < LINK { self.put(bytes) } else { self.put_bytes(std::mem::take(bytes)) }
    }

    /// [`Self::put_bytes`] of bytes that somebody else keeps too.
    #[inline]
    pub fn put_shared(&mut self, bytes: &Bytes) {
        if bytes.len() < LINK { self.put(bytes) } else { self.put_bytes(bytes.clone()) }
    }

    /// Adds `number` in decimal.
    #[inline]
    pub fn put_number(&mut self, number: u64) {
        self.put(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Adds a signed `number` in decimal.
    #[inline]
    pub fn put_signed(&mut self, number: i64) {
        self.put(itoa::Buffer::new().format(number).as_bytes());
    }

    /// How many bytes wait.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len() - self.start + self.linked
    }

    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what waits; keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.start = 0;
        self.links.clear();
        self.linked = 0;
    }

    /// The text before the first link.
    fn leading(&self) -> &[u8] {
        let end = self.links.front().map_or(self.text.len(), |(at, _)| *at);
        &self.text[self.start..end]
    }

    /// Moves written text out of the way where that costs little.
    fn tidy(&mut self) {
        let written = self.start;
        if written == self.text.len() || (written >= COMPACT && written * 2 >= self.text.len()) {
            self.text.drain(..written);
            self.start = 0;
            for (at, _) in &mut self.links {
                *at -= written;
            }
        }
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        let leading = self.leading();
        match self.links.front() {
            Some((_, bytes)) if leading.is_empty() => bytes,
            _ => leading,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut at = self.start;
        let mut push = |chunk: &'a [u8]| match slices.get_mut(filled) {
            Some(_) if chunk.is_empty() => true,
            Some(slice) => {
                *slice = IoSlice::new(chunk);
                filled += 1;
                true
            }
            None => false,
        };
        for (end, bytes) in &self.links {
            if !push(&self.text[at..*end]) || !push(bytes) {
                return filled;
            }
            at = *end;
        }
        push(&self.text[at..]);
        filled
    }

    /// Takes `count` bytes off the front.
    ///
    /// # Panics
    /// When `count` is more than what waits, as [`Buf`] has it.
    fn advance(&mut self, mut count: usize) {
        if count == self.len() {
            return self.clear(); // mostly the socket takes all
        }
        assert!(count < self.len(), "advance past the end of an outbox");
        while count > 0 {
            let leading = self.leading().len();
            if leading > 0 {
                let step = leading.min(count);
                self.start += step;
                count -= step;
                continue;
            }
            let Some((_, bytes)) = self.links.front_mut() else { break };
            let step = bytes.len().min(count);
            bytes.advance(step);
            self.linked -= step;
            count -= step;
            if bytes.is_empty() {
                self.links.pop_front();
            }
        }
        self.tidy();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn large(byte: u8) -> Bytes {
        vec![byte; LINK].into()
    }

    /// What `slices` vectored chunks show, joined.
    fn shown(out: &Outbox, slices: usize) -> Vec<u8> {
        let mut chunks = vec![IoSlice::new(&[]); slices];
        let filled = out.chunks_vectored(&mut chunks);
        chunks[..filled].iter().flat_map(|chunk| chunk.to_vec()).collect()
    }

    #[test]
    fn text_and_links_leave_in_order() {
        let mut out = Outbox::new();
        out.put_bytes(large(b'x'));
        out.put(b"a");
        out.put_number(18_446_744_073_709_551_615);
        out.put_signed(-1);
        out.put_bytes(large(b'y'));
        out.put_bytes(large(b'z'));
        out.put_bytes(Bytes::from_static(b"end"));
        let all = [&large(b'x')[..], b"a18446744073709551615-1", &large(b'y'), &large(b'z'), b"end"].concat();
        assert_eq!(out.len(), all.len());
        assert_eq!(shown(&out, 8), all);
        assert_eq!(shown(&out, 1), large(b'x'));
        assert_eq!(out.copy_to_bytes(all.len()), all);
        assert!(out.is_empty());
    }

    #[test]
    fn large_values_are_not_copied() {
        let value = large(b'x');
        let mut out = Outbox::new();
        out.put_bytes(value.clone());
        assert_eq!(out.chunk().as_ptr(), value.as_ptr());
    }

    #[test]
    fn an_outbox_that_never_runs_empty_does_not_grow() {
        let mut out = Outbox::new();
        out.put(&[0; 1000]);
        for _ in 0..10_000 {
            out.put(&[0; 1000]);
            out.advance(1000);
        }
        assert!(out.text.capacity() <= 8 * COMPACT, "{}", out.text.capacity());
    }

    proptest! {
        #[test]
        fn it_is_a_queue_of_bytes(steps in prop::collection::vec((any::<u8>(), 0_usize..3, 0_usize..6000), 1..12)) {
            let (mut out, mut model) = (Outbox::new(), Vec::new());
            for (byte, step, size) in steps {
                let bytes = vec![byte; size];
                match step {
                    0 => out.put(&bytes),
                    1 => out.put_bytes(bytes.clone().into()),
                    _ => {
                        let count = size.min(model.len());
                        out.advance(count);
                        model.drain(..count);
                    }
                }
                if step < 2 {
                    model.extend_from_slice(&bytes);
                }
                prop_assert_eq!(out.len(), model.len());
                prop_assert_eq!(&shown(&out, 100), &model);
                prop_assert!(model.starts_with(out.chunk()));
                prop_assert_eq!(out.chunk().is_empty(), model.is_empty());
            }
        }
    }
}
