//! How an item stands in Redis.
//!
//! An item without flags is a plain string: what Redis clients write is read as it is, and the other way round.
//! Flags other than 0 travel before the value:
//!
//! ```text
//! 8 bytes   00 6b 65 74 63 68 3a 31   a NUL and "ketch:1"
//! 4 bytes   the flags, the highest byte first
//! the value
//! ```
//!
//! A value that begins with those eight bytes itself is put into an envelope too, with flags 0: so nothing that
//! ketch writes is mistaken. A string of a Redis client is, only if it begins so and has twelve bytes or more.
//!
//! A cas token is the first 60 bits of the SHA-1 of the whole string: the only hash that Redis's scripts have, cut to
//! what clients that know signed numbers only can hold. It tells values apart, not writes: a value that was changed
//! and changed back has the old token again.

use bytes::Bytes;
use sha1::{Digest, Sha1};

/// How an envelope begins.
pub const MARK: &[u8; 8] = b"\0ketch:1";

/// The length of what stands before the value.
pub const HEAD: usize = MARK.len() + 4;

/// What has to stand before `value`; `None` when nothing has to.
pub fn head(flags: u32, value: &[u8]) -> Option<[u8; HEAD]> {
    if flags == 0 && !value.starts_with(MARK) {
        return None;
    }
    let mut head = [0; HEAD];
    head[..MARK.len()].copy_from_slice(MARK);
    head[MARK.len()..].copy_from_slice(&flags.to_be_bytes());
    Some(head)
}

/// The flags and the value of what is stored.
#[inline]
pub fn open(mut stored: Bytes) -> (u32, Bytes) {
    let flags = stored.strip_prefix(MARK).and_then(|rest| rest.first_chunk()).copied();
    match flags {
        None => (0, stored),
        Some(flags) => (u32::from_be_bytes(flags), stored.split_off(HEAD)),
    }
}

/// The cas token of what is stored, as its parts come one after the other.
pub fn token(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)) >> 4
}

/// A token as scripts have it: fifteen hexadecimal digits.
pub fn token_text(token: u64) -> String {
    format!("{token:015x}")
}

/// The token that a script answered.
pub fn token_from(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(flags: u32, value: &[u8]) -> Vec<u8> {
        [head(flags, value).as_ref().map_or(&[][..], |head| head), value].concat()
    }

    #[test]
    fn a_value_without_flags_is_a_plain_string() {
        assert_eq!(sealed(0, b"value"), b"value");
        assert_eq!(sealed(0x0102_0304, b"value"), b"\0ketch:1\x01\x02\x03\x04value");
    }

    #[test]
    fn a_string_that_is_too_short_for_an_envelope_is_none() {
        assert_eq!(open(Bytes::from_static(b"\0ketch:1\0\0\0")), (0, Bytes::from_static(b"\0ketch:1\0\0\0")));
    }

    #[test]
    fn a_token_is_what_scripts_make_of_the_same_string() {
        // redis.sha1hex('abc') is a9993e364706816aba3e25717850c26c9cd0d89d
        assert_eq!(token(&[b"a", b"bc"]), 0xa99_93e3_6470_6816);
        assert_eq!(token_text(0xa99), "000000000000a99");
        assert_eq!(token_from(b"a9993e364706816"), Some(token(&[b"abc"])));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_again(flags in 0_u32..3, marked: bool, rest: Vec<u8>) {
            let value = if marked { [MARK, &rest[..]].concat() } else { rest };
            let (read, opened) = open(sealed(flags, &value).into());
            prop_assert_eq!((read, &opened[..]), (flags, &value[..]));
        }
    }
}
