//! The rules by which keys are given to nodes, as data; `ring` carries them out.

use bytes::Bytes;

/// How points or slots are given to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Distribution {
    /// Points on a circle; the owner is the first point at or behind the key's hash.
    #[default]
    Ketama,
    /// The hash modulo the node list (each repeated by its weight).
    Modula,
    /// Lamping and Veach's jump consistent hash over the node list.
    Jump,
    /// Highest random weight.
    Rendezvous,
}

/// How a key becomes a number, with the results that twemproxy and libmemcached have under these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HashKind {
    /// The first four bytes of MD5, little-endian.
    #[default]
    Md5,
    /// FNV-1, truncated to 32 bits.
    Fnv1_64,
    /// FNV-1a over 32 bits with twemproxy's constants.
    Fnv1a64,
    /// FNV-1, 32 bits.
    Fnv1_32,
    /// FNV-1a, 32 bits.
    Fnv1a32,
    /// CRC-16 (XMODEM) in a register of 32 bits that is never cut to 16.
    Crc16,
    /// 15 bits out of the middle of CRC-32.
    Crc32,
    /// The whole CRC-32.
    Crc32a,
    /// Hsieh's SuperFastHash.
    Hsieh,
    /// MurmurHash2 with libmemcached's seed.
    Murmur,
    /// Bob Jenkins' lookup3 with libmemcached's seed.
    Jenkins,
    /// Bob Jenkins' one-at-a-time.
    OneAtATime,
    /// XXH3, 64 bits.
    Xxh3,
}

/// Whose placement is copied to the last key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compatibility {
    /// ketch's own defaults.
    #[default]
    None,
    /// twemproxy (nutcracker).
    Twemproxy,
    /// libmemcached without weights.
    Libmemcached,
    /// libmemcached's weighted ketama.
    LibmemcachedWeighted,
    /// spymemcached's ketama.
    Spymemcached,
}

/// Everything that decides a key's owner but the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Placement {
    /// How points or slots are given to nodes.
    pub distribution: Distribution,
    /// How a key becomes a number.
    pub hash: HashKind,
    /// Whose point strings and tie rules are used.
    pub compatibility: Compatibility,
    /// Opening and closing character: only what stands between the first such pair is hashed.
    pub hash_tag: Option<(u8, u8)>,
    /// Taken off the front of a key, where it is there, before it is hashed; empty for nothing.
    pub strip_prefix: Bytes,
}
