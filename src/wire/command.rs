//! What a client said.

use std::rc::Rc;

use bytes::Bytes;

use crate::model::{MetaVerb, Request};

/// One thing that a client said, or the answer that memcached would have given to what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A request for a node, and how its reply is to be written.
    Ask {
        /// What is asked.
        request: Rc<Request>,
        /// For [`encode_reply`](super::encode_reply).
        spelling: Spelling,
    },
    /// Not for a node: this line (without its line end) is the whole answer, in its turn. Mostly an error; the
    /// connection stays in step.
    Refuse(&'static [u8]),
    /// Answered with nothing: a `noreply` command that failed, or had nothing to do.
    Silence,
    /// `version`
    Version,
    /// `verbosity`, well formed: the answer is `OK`.
    Verbosity,
    /// `stats` and its first argument, empty when there is none; `detail on`, `detail off` and `detail dump` have two.
    /// What is no argument of `stats` is for the caller to answer with `ERROR`.
    Stats(Bytes),
    /// `mn`: `MN`, once all before it is answered.
    MetaNoop,
    /// `quit`: close, once all before it is answered.
    Quit,
    /// Write [`Closing::line`] once all before it is answered, if there is one, and close. Nothing more is decoded.
    Close(Closing),
}

/// How a request was spelled, and so how its reply is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `get`, `gets`, `gat`, `gats`: items, named as in this [`Request::Read`], and `END`.
    Read(Rc<Request>),
    /// One classic line.
    Line,
    /// `noreply`: nothing is ever written.
    Silent,
    /// A meta command.
    Meta {
        /// Which one; the quiet rules differ.
        verb: MetaVerb,
        /// `q`
        quiet: bool,
    },
    /// memcached refuses the command, but not before it has done something: forgotten the old item when the new one
    /// is too large, touched the keys before one that is too long, incremented before it looks at the opaque. That
    /// is what is asked; whatever is replied, the client reads this line (without its line end), or the node's own
    /// refusal if there is one.
    Says(&'static [u8]),
}

impl Spelling {
    /// What it holds until the reply is written, in bytes; only that of a multi-get counts.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Read(request) => request.weight(),
            Self::Line | Self::Silent | Self::Meta { .. } | Self::Says(_) => 0,
        }
    }

    /// Whether anything may be written.
    #[inline]
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !matches!(self, Self::Silent)
    }

    /// Whether the reply may bring a value of any size.
    #[inline]
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Meta { verb: MetaVerb::Get, .. })
    }
}

/// Why memcached would close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The first byte is the binary protocol's: the client has to be told to speak text.
    Binary,
    /// More than 2,048 bytes without a line end, and not a `get`.
    LongLine,
    /// A `get` line over [`MAX_READ_LINE`](super::MAX_READ_LINE).
    LongRead,
    /// Somebody speaks HTTP.
    Http,
}

impl Closing {
    /// What is said before closing, without the line end.
    #[must_use]
    pub fn line(self) -> Option<&'static [u8]> {
        match self {
            Self::Binary | Self::LongLine | Self::Http => None,
            Self::LongRead => Some(b"SERVER_ERROR out of memory reading request"),
        }
    }

    /// The value of a metric's or a log line's `reason`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Binary => "binary_protocol",
            Self::LongLine => "long_line",
            Self::LongRead => "long_read",
            Self::Http => "http",
        }
    }
}
