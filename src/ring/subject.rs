//! The part of a key that is hashed.

use bytes::Bytes;

use crate::model::Placement;

/// What is taken off a key before it is hashed.
#[derive(PartialEq, Eq)]
pub(super) struct Subject {
    strip_prefix: Bytes,
    hash_tag: Option<(u8, u8)>,
}

impl Subject {
    pub(super) fn new(placement: &Placement) -> Self {
        Self { strip_prefix: placement.strip_prefix.clone(), hash_tag: placement.hash_tag }
    }

    /// First the prefix goes, then the tag counts.
    #[inline]
    pub(super) fn of<'key>(&self, key: &'key [u8]) -> &'key [u8] {
        let key = key.strip_prefix(&self.strip_prefix[..]).unwrap_or(key);
        match self.hash_tag {
            Some((open, close)) => tagged(key, open, close).unwrap_or(key),
            None => key,
        }
    }
}

/// What stands between the first `open` and the first `close` behind it, if that is anything.
pub(super) fn tagged(key: &[u8], open: u8, close: u8) -> Option<&[u8]> {
    let behind = memchr::memchr(open, key)? + 1;
    let len = memchr::memchr(close, &key[behind..])?;
    (len > 0).then(|| &key[behind..behind + len])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(strip_prefix: &'static str, hash_tag: Option<(u8, u8)>) -> Subject {
        Subject { strip_prefix: strip_prefix.into(), hash_tag }
    }

    #[test]
    fn only_the_first_tag_counts_and_an_empty_one_does_not() {
        let subject = subject("", Some((b'{', b'}')));
        for (key, expected) in [
            ("a{b}c", "b"),
            ("{b}", "b"),
            ("a{b}{c}", "b"),
            ("a{}{c}", "a{}{c}"),
            ("a{{b}}", "{b"),
            ("a}b{c", "a}b{c"),
            ("a}b{c}", "c"),
            ("plain", "plain"),
        ] {
            assert_eq!(subject.of(key.as_bytes()), expected.as_bytes(), "{key}");
        }
    }

    #[test]
    fn one_character_may_open_and_close() {
        assert_eq!(subject("", Some((b'$', b'$'))).of(b"a$b$c"), b"b");
    }

    #[test]
    fn the_prefix_goes_before_the_tag_is_sought() {
        let subject = subject("{app}:", Some((b'{', b'}')));
        assert_eq!(subject.of(b"{app}:user:{7}"), b"7");
        assert_eq!(subject.of(b"user:{7}"), b"7");
        assert_eq!(subject.of(b"{app}:user"), b"user");
    }
}
