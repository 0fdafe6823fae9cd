//! A time to live, in Redis's words.

use crate::model::Expiry;

/// Above this a time to live is a Unix time; 30 days.
const LONGEST_RELATIVE: i32 = 60 * 60 * 24 * 30;

/// How long an item lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// For ever.
    Endless,
    /// So many seconds.
    For(i32),
    /// Up to this Unix time in seconds; one long past is for what is gone at once.
    Until(i32),
}

impl From<Expiry> for Life {
    fn from(expiry: Expiry) -> Self {
        match expiry.0 {
            0 => Self::Endless,
            seconds @ 1..=LONGEST_RELATIVE => Self::For(seconds),
            negative if negative < 0 => Self::Until(1),
            unix => Self::Until(unix),
        }
    }
}

impl Life {
    /// For `SET`: an option and its number.
    pub fn option(self) -> Option<(&'static [u8], i32)> {
        match self {
            Self::Endless => None,
            Self::For(seconds) => Some((b"EX", seconds)),
            Self::Until(unix) => Some((b"EXAT", unix)),
        }
    }

    /// The command of its own that gives it, and its number.
    pub fn command(self) -> (&'static [u8], Option<i32>) {
        match self {
            Self::Endless => (b"PERSIST", None),
            Self::For(seconds) => (b"EXPIRE", Some(seconds)),
            Self::Until(unix) => (b"EXPIREAT", Some(unix)),
        }
    }
}
