//! A key: 1 to 250 bytes, legal by construction, cheap to clone.

use std::rc::Rc;

use bytes::Bytes;

/// The longest key that memcached takes, in bytes.
pub const MAX_KEY: usize = 250;

/// Keys up to this long are kept in place, without an allocation.
const INLINE: usize = 38;

/// The bytes that place an item on the ring and name it on its node.
///
/// A key holds between 1 and [`MAX_KEY`] bytes of any value: a key that came as base64 is kept decoded.
/// Cloning copies up to 40 bytes or counts one reference; it never allocates.
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(Bytes),
}

/// Why some bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No bytes at all.
    #[error("a key has at least 1 byte")]
    Empty,
    /// More than [`MAX_KEY`] bytes.
    #[error("a key has at most {MAX_KEY} bytes")]
    TooLong,
}

impl Key {
    /// Copies `bytes` into a key.
    ///
    /// # Errors
    /// [`KeyError`] when there are none, or more than [`MAX_KEY`].
    #[inline]
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let len = bytes.len();
        if len == 0 {
            return Err(KeyError::Empty);
        }
        if len > MAX_KEY {
            return Err(KeyError::TooLong);
        }
        if len > INLINE {
            return Ok(Self(Repr::Shared(Bytes::copy_from_slice(bytes))));
        }
        let mut inline = [0; INLINE];
        inline[..len].copy_from_slice(bytes);
        #[allow(clippy::cast_possible_truncation)] // len <= INLINE
        Ok(Self(Repr::Inline { len: len as u8, bytes: inline }))
    }

    /// The bytes, decoded where the client sent base64.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Shared(bytes) => bytes,
        }
    }

    /// Whether the key can stand as it is in a line of memcached's text protocol.
    ///
    /// A key with a space, a line feed or another control byte reaches a node as base64 only.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.as_bytes().iter().all(|byte| *byte > b' ' && *byte != 0x7f)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key(\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// One key or several, in the client's order; repeats are kept. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The commonest read.
    One(Key),
    /// A multi-get: two keys or more.
    Many(Rc<[Key]>),
}

impl Keys {
    /// The keys in the client's order; never empty.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[Key] {
        match self {
            Self::One(key) => std::slice::from_ref(key),
            Self::Many(keys) => keys,
        }
    }

    /// About what a multi-get holds, beside its values, from when it is read to when it is answered, in bytes; a read
    /// of one key counts for nothing.
    #[must_use]
    pub fn weight(&self) -> usize {
        /// The key, and the place of its item in the answer.
        const EACH: usize = 96;
        match self {
            Self::One(_) => 0,
            Self::Many(keys) => keys.iter().map(|key| EACH + key.as_bytes().len()).sum(),
        }
    }
}

impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        Self::One(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_between_1_and_250_bytes() {
        assert_eq!(Key::new(b""), Err(KeyError::Empty));
        assert_eq!(Key::new(&[b'k'; 251]), Err(KeyError::TooLong));
        for len in [1, INLINE - 1, INLINE, INLINE + 1, MAX_KEY] {
            let bytes = vec![b'k'; len];
            assert_eq!(Key::new(&bytes).unwrap().as_bytes(), bytes);
        }
    }

    #[test]
    fn a_key_is_small_to_move() {
        assert_eq!(std::mem::size_of::<Key>(), 40);
    }

    #[test]
    fn text_keys_have_no_blank_and_no_control() {
        assert!(Key::new("schlüssel".as_bytes()).unwrap().is_text());
        for bytes in [&b"a b"[..], b"a\nb", b"a\0b", b"a\x7fb"] {
            assert!(!Key::new(bytes).unwrap().is_text());
        }
    }
}
