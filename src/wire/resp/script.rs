//! The scripts: what Redis has no command for, done in one step on the server.

use std::sync::LazyLock;

use sha1::{Digest, Sha1};

/// A script, by what it does. Each touches its key and nothing else, but for the three of a lease, which touch the
/// marker that stands beside the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// `append`, `prepend`.
    Extend,
    /// `cas`.
    Swap,
    /// A delete under a token.
    Remove,
    /// `incr`, `decr`.
    Count,
    /// Takes the lease of a key that is handed over.
    Take,
    /// Stores under the lease.
    Fill,
    /// Gives the lease up.
    Drop,
}

static NAMES: LazyLock<[String; Script::ALL.len()]> =
    LazyLock::new(|| Script::ALL.map(|script| sha1_hex(script.body().as_bytes())));

impl Script {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Extend, Self::Swap, Self::Remove, Self::Count, Self::Take, Self::Fill, Self::Drop];

    /// What `EVAL` and `SCRIPT LOAD` get.
    #[must_use]
    pub fn body(self) -> &'static str {
        match self {
            Self::Extend => include_str!("scripts/extend.lua"),
            Self::Swap => include_str!("scripts/swap.lua"),
            Self::Remove => include_str!("scripts/remove.lua"),
            Self::Count => include_str!("scripts/count.lua"),
            Self::Take => include_str!("scripts/take.lua"),
            Self::Fill => include_str!("scripts/fill.lua"),
            Self::Drop => include_str!("scripts/drop.lua"),
        }
    }

    /// What `EVALSHA` gets: the SHA-1 of the body, in hexadecimal digits.
    #[must_use]
    pub fn name(self) -> &'static str {
        &NAMES[self as usize]
    }
}

fn sha1_hex(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
