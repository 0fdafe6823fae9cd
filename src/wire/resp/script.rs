//! The scripts: what Redis has no command for, done in one step on the server.

use std::sync::LazyLock;

use sha1::{Digest, Sha1};

/// A script, by what it does. Each has one key and touches nothing else.
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
}

static NAMES: LazyLock<[String; 4]> = LazyLock::new(|| Script::ALL.map(|script| sha1_hex(script.body().as_bytes())));

impl Script {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Extend, Self::Swap, Self::Remove, Self::Count];

    /// What `EVAL` and `SCRIPT LOAD` get.
    #[must_use]
    pub fn body(self) -> &'static str {
        match self {
            Self::Extend => include_str!("scripts/extend.lua"),
            Self::Swap => include_str!("scripts/swap.lua"),
            Self::Remove => include_str!("scripts/remove.lua"),
            Self::Count => include_str!("scripts/count.lua"),
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
