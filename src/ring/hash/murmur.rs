//! Austin Appleby's MurmurHash2, 32 bits, with libmemcached's seed: 0xdeadbeef times the length.

const M: u32 = 0x5bd1_e995;

pub(super) fn murmur(bytes: &[u8]) -> u32 {
    let len = bytes.len() as u32;
    let mut hash = 0xdead_beef_u32.wrapping_mul(len) ^ len;
    let (quads, rest) = bytes.as_chunks::<4>();
    for quad in quads {
        let mut word = u32::from_le_bytes(*quad).wrapping_mul(M);
        word ^= word >> 24;
        hash = hash.wrapping_mul(M) ^ word.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}
