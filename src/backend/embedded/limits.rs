//! How large memcached would say that an item is.

use super::Options;
use super::item::Item;

/// memcached's item header on a 64-bit machine: three links, two times, length, counts, flags.
const HEADER: usize = 48;
/// The cas token behind the header.
const TOKEN: usize = 8;
/// The client's flags, kept only where they are not 0.
const FLAGS: usize = 4;
/// A NUL behind the key and a line end behind the value.
const ENDS: usize = 3;

/// An item larger than this is cut into chunks by memcached; such an item is no number to it.
const CHUNK_MAX: usize = 512 * 1024;
/// The room of an item in memcached's smallest slab class.
const SMALLEST_CLASS: usize = 96;

/// What fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    item: usize,
}

impl Limits {
    pub fn new(options: Options) -> Self {
        Self { item: options.value_size.min(options.memory / 2) }
    }

    /// Whether memcached with `-I` at this limit takes the item.
    pub fn fits(self, key: &[u8], flags: u32, value_len: usize) -> bool {
        total(key.len(), flags, value_len) <= self.item
    }
}

/// The size that memcached gives to the item.
pub(super) fn size(item: &Item) -> usize {
    total(item.key().len(), item.flags(), item.value_len())
}

/// Whether memcached keeps the item in one piece.
pub(super) fn is_whole(item: &Item) -> bool {
    size(item) <= CHUNK_MAX
}

/// The number of the slab class that memcached's defaults (factor 1.25 from 96 bytes up to 512 KiB) put an item
/// of `size` bytes in. ketch has no slabs; `me` answers with it all the same.
pub(super) fn class(size: usize) -> usize {
    let (mut number, mut room) = (1, SMALLEST_CLASS);
    while room < CHUNK_MAX * 4 / 5 {
        if size <= room {
            return number;
        }
        room = (room * 5 / 4).next_multiple_of(8);
        number += 1;
    }
    number
}

fn total(key_len: usize, flags: u32, value_len: usize) -> usize {
    let flags = if flags == 0 { 0 } else { FLAGS };
    HEADER + TOKEN + ENDS + flags + key_len + value_len
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `memcached -I 1m` stored values of these lengths and refused one byte more.
    #[test]
    fn the_largest_value_is_memcacheds() {
        let limits = Limits::new(Options { memory: 64 << 20, value_size: 1 << 20 });
        for (key, flags, largest) in [(1, 0, 1_048_516), (1, 1, 1_048_512), (250, 0, 1_048_267)] {
            let key = vec![b'k'; key];
            assert!(limits.fits(&key, flags, largest));
            assert!(!limits.fits(&key, flags, largest + 1));
        }
    }

    #[test]
    fn an_item_is_at_most_half_of_the_memory() {
        let limits = Limits::new(Options { memory: 1000, value_size: 1 << 20 });
        assert!(limits.fits(b"k", 0, 500 - 60));
        assert!(!limits.fits(b"k", 0, 500 - 59));
    }

    /// `memcached -vv` lists its classes: 1 is 96 bytes, 2 is 120, 3 is 152, 10 is 752, 38 is 394,840, 39 the rest.
    #[test]
    fn the_classes_are_memcacheds() {
        for (size, number) in
            [(1, 1), (96, 1), (97, 2), (120, 2), (121, 3), (152, 3), (752, 10), (753, 11), (394_840, 38), (394_841, 39)]
        {
            assert_eq!(class(size), number, "{size}");
        }
        assert_eq!(class(1 << 20), 39);
    }
}
