//! The slot of a key in a Redis Cluster, which places the keys itself.

use super::hash::digest;
use super::subject::tagged;
use crate::model::HashKind;

/// How many slots a Redis Cluster has.
pub const SLOTS: u16 = 16_384;

/// The part of `key` that is hashed, the CRC-16 of it, and the slot.
///
/// By "Key distribution model" and "Hash tags" of the Redis Cluster specification: what stands between the first `{`
/// and the first `}` behind it is hashed in place of the key, if that is anything.
#[must_use]
pub fn slot(key: &[u8]) -> (&[u8], u16, u16) {
    let hashed = tagged(key, b'{', b'}').unwrap_or(key);
    #[allow(clippy::cast_possible_truncation)] // the low half is the CRC
    let hash = digest(HashKind::Crc16, hashed) as u16;
    (hashed, hash, hash % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `redis-cli cluster keyslot KEY` of Redis 7.0 answers.
    #[test]
    fn slots_are_those_of_redis() {
        for (key, expected) in [
            ("123456789", 12739),
            ("foo", 12182),
            ("user:42", 15880),
            ("{user1000}.following", 3443),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
        ] {
            assert_eq!(slot(key.as_bytes()).2, expected, "{key}");
        }
        assert_eq!(slot(b"foo{{bar}}zap").0, b"{bar");
    }
}
