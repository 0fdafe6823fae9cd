//! MD5 as ketama uses it: four numbers out of one digest.

use md5::{Digest, Md5};

/// The digest as four little-endian numbers.
pub(in crate::ring) fn quarters(bytes: &[u8]) -> [u32; 4] {
    let digest: [u8; 16] = Md5::digest(bytes).into();
    let (words, _) = digest.as_chunks::<4>();
    std::array::from_fn(|index| u32::from_le_bytes(words[index]))
}

/// The first of the [`quarters`].
pub(super) fn first_quarter(bytes: &[u8]) -> u32 {
    quarters(bytes)[0]
}
