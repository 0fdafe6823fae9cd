//! Paul Hsieh's SuperFastHash, started from 0 as twemproxy (`nc_hsieh.c`) and libhashkit do.

use super::sign_extended;

pub(super) fn hsieh(bytes: &[u8]) -> u32 {
    if bytes.is_empty() {
        return 0;
    }
    let mut hash: u32 = 0;
    let (quads, rest) = bytes.as_chunks::<4>();
    for [a, b, c, d] in quads {
        hash = hash.wrapping_add(pair(*a, *b));
        hash = (hash << 16) ^ (pair(*c, *d) << 11) ^ hash;
        hash = hash.wrapping_add(hash >> 11);
    }
    match *rest {
        [a, b, c] => {
            hash = hash.wrapping_add(pair(a, b));
            hash ^= hash << 16;
            hash ^= sign_extended(c) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [a, b] => {
            hash = hash.wrapping_add(pair(a, b));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [a] => {
            hash = hash.wrapping_add(a.into());
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    avalanche(hash)
}

fn pair(low: u8, high: u8) -> u32 {
    u16::from_le_bytes([low, high]).into()
}

fn avalanche(mut hash: u32) -> u32 {
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}
