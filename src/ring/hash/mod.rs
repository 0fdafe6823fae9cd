//! Key hashes: bytes to a number, one file an algorithm.
//!
//! The names are those of twemproxy and libmemcached, and so are the results: where such a program gives
//! something else than the paper behind the name, the program is right. Both treat a byte of a key as a
//! signed `char`, so that bytes ≥ 0x80 are sign-extended where x86-64 does so; a twemproxy built for a machine
//! with unsigned `char` (64-bit ARM) places such keys elsewhere. For the hashes that both programs have, the two
//! agree on every byte string.

mod crc;
mod fnv;
mod hsieh;
mod jenkins;
mod md5;
mod murmur;
mod one_at_a_time;

use crate::model::HashKind;

pub(super) use md5::quarters;

/// The hash of `bytes`: 64 bits for [`HashKind::Xxh3`], at most 32 for all others. Allocation-free.
#[inline]
#[must_use]
pub fn digest(kind: HashKind, bytes: &[u8]) -> u64 {
    match kind {
        HashKind::Md5 => md5::first_quarter(bytes).into(),
        HashKind::Fnv1_64 => fnv::fnv1_64(bytes).into(),
        HashKind::Fnv1a64 => fnv::fnv1a_64(bytes).into(),
        HashKind::Fnv1_32 => fnv::fnv1_32(bytes).into(),
        HashKind::Fnv1a32 => fnv::fnv1a_32(bytes).into(),
        HashKind::Crc16 => crc::crc16(bytes).into(),
        HashKind::Crc32 => crc::crc32(bytes).into(),
        HashKind::Crc32a => crc::crc32a(bytes).into(),
        HashKind::Hsieh => hsieh::hsieh(bytes).into(),
        HashKind::Murmur => murmur::murmur(bytes).into(),
        HashKind::Jenkins => jenkins::jenkins(bytes).into(),
        HashKind::OneAtATime => one_at_a_time::one_at_a_time(bytes).into(),
        HashKind::Xxh3 => xxhash_rust::xxh3::xxh3_64(bytes),
    }
}

/// How many bits [`digest`] may set.
pub(super) fn bits(kind: HashKind) -> u32 {
    match kind {
        HashKind::Crc32 => crc::CRC32_BITS,
        HashKind::Xxh3 => 64,
        _ => 32,
    }
}

/// A byte as C's signed `char` becomes a `uint32_t`.
#[inline]
fn sign_extended(byte: u8) -> u32 {
    i32::from(byte.cast_signed()).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every hash of three keys, as libhashkit 1.1.4, twemproxy 0.5.0 (crc16, crc32a, hsieh) and
    /// xxHash 0.8 (xxh3) give them on x86-64.
    #[test]
    fn the_hashes_are_those_of_the_programs() {
        let keys: [&[u8]; 3] = [b"k", b"user:1000:profile", b"gr\xfc\xdfe\xff\x80"];
        for (kind, expected) in KNOWN {
            let hashes = keys.map(|key| digest(kind, key));
            assert_eq!(hashes, expected, "{kind:?}");
        }
    }

    #[test]
    fn no_length_is_too_short_or_too_long() {
        let key: Vec<u8> = (0..=255).rev().cycle().take(1000).collect();
        for (kind, _) in KNOWN {
            let mut seen = std::collections::HashSet::new();
            for len in 0..key.len() {
                let hash = digest(kind, &key[..len]);
                assert!(hash <= u64::MAX >> (64 - bits(kind)), "{kind:?}");
                seen.insert(hash);
            }
            assert!(seen.len() > 980, "{kind:?} gives {} hashes for 1000 keys", seen.len());
        }
    }

    const KNOWN: [(HashKind, [u64; 3]); 13] = [
        (HashKind::Md5, [1_806_820_492, 2_585_628_903, 860_376_353]),
        (HashKind::Fnv1_64, [2_248_259_508, 1_037_178_972, 1_332_413_871]),
        (HashKind::Fnv1a64, [2_248_277_386, 1_426_878_874, 432_215_743]),
        (HashKind::Fnv1_32, [84_696_436, 2_253_373_212, 2_427_418_095]),
        (HashKind::Fnv1a32, [3_993_778_410, 66_513_402, 2_053_471_679]),
        (HashKind::Crc16, [56_781, 2_691_867_350, 2_126_335_742]),
        (HashKind::Crc32, [2146, 471, 22_244]),
        (HashKind::Crc32a, [140_662_621, 30_907_001, 1_457_808_085]),
        (HashKind::Hsieh, [2_136_545_382, 1_203_955_876, 870_783_131]),
        (HashKind::Murmur, [1_331_603_794, 78_543_240, 2_844_244_060]),
        (HashKind::Jenkins, [3_833_503_899, 886_310_305, 625_613_718]),
        (HashKind::OneAtATime, [2_150_891_594, 522_545_543, 2_112_248_509]),
        (HashKind::Xxh3, [12_187_272_138_156_836_893, 1_910_760_289_970_849_993, 709_505_826_546_586_221]),
    ];
}
