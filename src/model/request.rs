//! One command that some node is to carry out.

use bytes::Bytes;

use super::{Key, Keys};

/// What a client asks of the owner of a key, or of every node.
///
/// How it was spelled (classic or meta, `noreply`, quiet, HTTP) is not part of it: that stays with the
/// front, which turns the [`Reply`](super::Reply) back into that spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `get`, `gets`, `gat`, `gats`.
    Read(Read),
    /// `set`, `add`, `replace`, `append`, `prepend`, `cas`.
    Store(Box<Store>),
    /// `delete`.
    Delete(Key),
    /// `incr`, `decr`.
    Arithmetic(Box<Arithmetic>),
    /// `touch`.
    Touch {
        /// The item.
        key: Key,
        /// Its new life.
        expiry: Expiry,
    },
    /// `mg`, `ms`, `md`, `ma`, `me`.
    Meta(Box<Meta>),
    /// A step of ketch's own by which a key is handed over to a new owner; never a client's. To memcached it is the
    /// meta command that it looks like, to Redis a script beside a marker key:
    ///
    /// - `mg … N2 s t c O<number>` takes a lease where there is no item: `W`, and `c` the token of the lease; `Z` when
    ///   somebody else has it; else what is there;
    /// - `ms … C<token>` stores an item under the lease, `EX` or `NF` where it was lost;
    /// - `md … C<token>` gives the lease up, `md` without a token takes it from whoever has it (for Redis only: to
    ///   memcached that is a delete of the item).
    Lease(Box<Meta>),
    /// `flush_all`: for every node of a pool.
    FlushAll {
        /// Seconds from now (or a Unix time, as [`Expiry`] has it) until the items are gone; `None` when none was typed.
        delay: Option<Expiry>,
    },
}

/// A read of one key or many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What is read, in the client's order.
    pub keys: Keys,
    /// Whether the cas token is wanted (`gets`, `gats`).
    pub cas: bool,
    /// `gat` and `gats`: the new life of what is found.
    pub touch: Option<Expiry>,
}

/// A classic storage command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Under which condition it stores.
    pub mode: StoreMode,
    /// Where.
    pub key: Key,
    /// The client's opaque 32 bits.
    pub flags: u32,
    /// How long the item lives.
    pub expiry: Expiry,
    /// What is stored, without the closing line end.
    pub value: Bytes,
}

/// The condition of a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreMode {
    /// Always.
    Set,
    /// Only where there is no item.
    Add,
    /// Only where there is one.
    Replace,
    /// Behind the item that is there; flags and life stay.
    Append,
    /// Before the item that is there; flags and life stay.
    Prepend,
    /// Only where the item still has this token.
    Cas(u64),
}

/// `incr` and `decr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// The item, a decimal number.
    pub key: Key,
    /// Down (stops at 0) or up (wraps at 2⁶⁴).
    pub decrement: bool,
    /// By how much.
    pub delta: u64,
}

/// A time to live as memcached's protocol writes it.
///
/// 0 is for ever; up to 30 days (2,592,000) are seconds from now; above that it is a Unix time in seconds;
/// below 0 the item is gone at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Expiry(pub i32);

/// A meta command, kept as close to what was typed as routing allows, so that a memcached node gets it
/// faithfully.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The command.
    pub verb: MetaVerb,
    /// The key that the ring places: decoded when `token` is base64.
    pub key: Key,
    /// The key as the client typed it: plain, or base64 when the flags have `b`.
    pub token: Bytes,
    /// The flags as typed, one space between two, without `q`, `P` and `L`; empty when there are none.
    ///
    /// Each is a letter and, for some, an argument right behind it: `O123 k T60`.
    pub flags: Bytes,
    /// The value of an `ms`, without its closing line end; empty for the others.
    pub value: Bytes,
}

/// The meta commands that reach a node (`mn` is answered by the front).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVerb {
    /// `mg`
    Get,
    /// `ms`
    Set,
    /// `md`
    Delete,
    /// `ma`
    Arithmetic,
    /// `me`
    Debug,
}

impl Request {
    /// A delete of `key`, whatever bytes it has: as base64 where they cannot stand in a line.
    #[must_use]
    pub fn forget(key: &Key) -> Self {
        if key.is_text() {
            return Self::Delete(key.clone());
        }
        Self::Meta(Box::new(Meta::naming(MetaVerb::Delete, key, "", Bytes::new())))
    }

    /// The keys that decide who owns the request; none for [`Request::FlushAll`], which goes to all.
    #[inline]
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        match self {
            Self::Read(read) => read.keys.as_slice(),
            Self::Store(store) => std::slice::from_ref(&store.key),
            Self::Arithmetic(arithmetic) => std::slice::from_ref(&arithmetic.key),
            Self::Delete(key) | Self::Touch { key, .. } => std::slice::from_ref(key),
            Self::Meta(meta) | Self::Lease(meta) => std::slice::from_ref(&meta.key),
            Self::FlushAll { .. } => &[],
        }
    }

    /// The bytes of the value that it carries, or of the many keys.
    #[inline]
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Read(read) => read.keys.weight(),
            Self::Store(store) => store.value.len(),
            Self::Meta(meta) | Self::Lease(meta) => meta.value.len(),
            _ => 0,
        }
    }

    /// The length of the value that it brings to a node; 0 when it brings none.
    #[must_use]
    pub fn value_len(&self) -> usize {
        match self {
            Self::Read(_) => 0,
            _ => self.weight(),
        }
    }

    /// Takes the value that it brings to a node, if it does: what is left is its form.
    pub fn take_value(&mut self) -> Bytes {
        match self {
            Self::Store(store) => std::mem::take(&mut store.value),
            Self::Meta(meta) | Self::Lease(meta) => std::mem::take(&mut meta.value),
            _ => Bytes::new(),
        }
    }

    /// Whether carrying it out twice is the same as once, whatever other clients do in between.
    ///
    /// Only plain reads are: a `set` sent twice may bury a write that came between the two.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        match self {
            Self::Read(read) => read.touch.is_none(),
            Self::Meta(meta) => match meta.verb {
                MetaVerb::Debug => true,
                MetaVerb::Get => meta.flags().all(|flag| !matches!(flag[0], b'N' | b'R' | b'T' | b'E')),
                MetaVerb::Set | MetaVerb::Delete | MetaVerb::Arithmetic => false,
            },
            Self::Store(_)
            | Self::Delete(_)
            | Self::Arithmetic(_)
            | Self::Touch { .. }
            | Self::Lease(_)
            | Self::FlushAll { .. } => false,
        }
    }

    /// Whether one answer may serve several who ask the same at once, each with [`Reply::shared`](super::Reply::shared).
    ///
    /// A meta read may where it changes nothing and tells nothing that is for one: no opaque, no hit-before (`h`), no
    /// time since the last access (`l`).
    #[inline]
    #[must_use]
    pub fn is_shareable(&self) -> bool {
        match self {
            Self::Read(read) => read.touch.is_none(),
            Self::Meta(meta) => meta.verb == MetaVerb::Get && meta.flags().all(|flag| b"bcfkstv".contains(&flag[0])),
            _ => false,
        }
    }
}

impl Meta {
    /// A command for a key of any bytes: as base64 where they cannot stand in a line.
    #[must_use]
    pub fn naming(verb: MetaVerb, key: &Key, flags: &str, value: Bytes) -> Self {
        let (token, flags) = match key.is_text() {
            true => (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(flags.as_bytes())),
            false => {
                let token = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.as_bytes());
                (token.into(), [b"b ", flags.as_bytes()].concat().trim_ascii_end().to_vec().into())
            }
        };
        Self { verb, key: key.clone(), token, flags, value }
    }

    /// The flags one by one, each with its letter first; none is empty.
    pub fn flags(&self) -> impl Iterator<Item = &[u8]> {
        self.flags.split(|byte| *byte == b' ').filter(|flag| !flag.is_empty())
    }

    /// Whether the flags have this letter.
    #[must_use]
    pub fn has(&self, letter: u8) -> bool {
        self.flags().any(|flag| flag[0] == letter)
    }

    /// What an answer without an item still carries: the flags `O`, `k` and `b`, in the order in which they were asked.
    #[must_use]
    pub fn echo(&self) -> Bytes {
        let mut echo = Vec::new();
        for flag in self.flags() {
            let token: &[u8] = if flag[0] == b'k' { &self.token } else { b"" };
            if matches!(flag[0], b'O' | b'k' | b'b') {
                echo.extend_from_slice(if echo.is_empty() { b"" } else { b" " });
                echo.extend_from_slice(flag);
                echo.extend_from_slice(token);
            }
        }
        echo.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the two counts of an `Rc` that is 72 bytes, which mimalloc 3 hands out on its short way; 80 take four times as
    /// long, since it looks for 87 to have them aligned, and finds those in another page.
    #[test]
    fn a_request_is_small_to_keep() {
        assert_eq!(std::mem::size_of::<Request>(), 56);
    }

    #[test]
    fn meta_reads_are_shared_that_are_for_nobody_alone() {
        let shared = |verb, flags: &'static str| {
            let key = Key::new(b"k").unwrap();
            let (token, flags, value) = (Bytes::from_static(b"k"), Bytes::from_static(flags.as_bytes()), Bytes::new());
            Request::Meta(Box::new(Meta { verb, key, token, flags, value })).is_shareable()
        };
        for flags in ["", "v", "c f t v", "b k s"] {
            assert!(shared(MetaVerb::Get, flags), "{flags}");
            assert!(!shared(MetaVerb::Delete, flags) && !shared(MetaVerb::Debug, flags), "{flags}");
        }
        for flag in ["N30", "R30", "T30", "E5", "h", "l", "u", "O1", "C5", "I"] {
            let flags: &'static str = format!("v {flag}").leak();
            assert!(!shared(MetaVerb::Get, flags), "{flags}");
        }
    }
}
