//! What a node answered, or why it did not.

use bytes::Bytes;
use smallvec::SmallVec;

/// The answer to one [`Request`](super::Request).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a read: one entry a key, in the request's order, `None` for a miss.
    Items(Items),
    /// `STORED`
    Stored,
    /// `NOT_STORED`
    NotStored,
    /// `EXISTS`: the cas token is not the item's.
    Exists,
    /// `NOT_FOUND`
    NotFound,
    /// `DELETED`
    Deleted,
    /// `TOUCHED`
    Touched,
    /// `OK`
    Ok,
    /// What an `incr` or `decr` came to.
    Number(u64),
    /// To a meta command.
    Meta(MetaReply),
    /// The node's own `ERROR`, `CLIENT_ERROR …` or `SERVER_ERROR …`, without the line end. It was not carried out.
    Refused(Bytes),
    /// No node answered.
    Failed(Failure),
}

/// The entries of a read.
pub type Items = SmallVec<[Option<Item>; 1]>;

/// One item that a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The client's opaque 32 bits.
    pub flags: u32,
    /// The cas token where one was asked for.
    pub cas: Option<u64>,
    /// The value.
    pub value: Bytes,
}

/// The answer to a meta command, kept as the node wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaReply {
    /// The two letters.
    pub status: MetaStatus,
    /// What stands behind them (behind the size, for `VA`) up to the line end: `f0 s5 t-1`; for `ME`, the whole rest.
    pub flags: Bytes,
    /// With [`MetaStatus::Value`] only: the value.
    pub value: Bytes,
}

/// The two letters that open the answer to a meta command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaStatus {
    /// `HD`: done.
    Done,
    /// `VA`: done, and here is the value.
    Value,
    /// `EN`: a miss of `mg` or `me`.
    Miss,
    /// `NF`: nothing there.
    NotFound,
    /// `NS`: not stored.
    NotStored,
    /// `EX`: the token is another.
    Exists,
    /// `ME`: the answer to `me`.
    Debug,
}

/// A request that no node answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// Whether the node may have carried it out all the same.
    pub sent: Sent,
}

/// Whether a failed request may have reached its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte of it left: it is safe to try elsewhere.
    Never,
    /// Some of it left: only an idempotent request may be tried again.
    Maybe,
}

/// What went wrong with a request. One table gives the words for logs, metrics and clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// There is no connection to the node, and the last attempts failed.
    Unreachable,
    /// The connection broke before the answer was whole.
    Closed,
    /// The answer did not come within `request_timeout`.
    Timeout,
    /// What the node said is not the protocol.
    Garbage,
    /// `max_inflight` requests are waiting on the connection already.
    Overloaded,
    /// `limits.memory` is used up.
    Memory,
    /// The node is ejected and the pool says not to go elsewhere.
    Ejected,
    /// The program dropped the request; a defect, told rather than hidden.
    Lost,
}

impl FailureKind {
    /// Every kind, in the order of [`FailureKind::index`].
    pub const ALL: [Self; 8] = [
        Self::Unreachable,
        Self::Closed,
        Self::Timeout,
        Self::Garbage,
        Self::Overloaded,
        Self::Memory,
        Self::Ejected,
        Self::Lost,
    ];

    /// The value of the `reason` label, and the field of a log line.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.words().0
    }

    /// What a person reads behind `SERVER_ERROR`.
    #[must_use]
    pub fn message(self) -> &'static str {
        self.words().1
    }

    /// The kind's place in [`FailureKind::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unreachable => ("unreachable", "cache node unreachable"),
            Self::Closed => ("closed", "cache node closed the connection"),
            Self::Timeout => ("timeout", "cache node did not answer in time"),
            Self::Garbage => ("garbage", "cache node answered garbage"),
            Self::Overloaded => ("overloaded", "too many requests waiting for the cache node"),
            Self::Memory => ("memory", "out of memory for buffers"),
            Self::Ejected => ("ejected", "cache node is ejected"),
            Self::Lost => ("lost", "request was lost inside the proxy"),
        }
    }
}

impl MetaReply {
    /// Whether this letter is among the flags, alone: `W` (won the right to recache), `X` (stale) or `Z` (won by
    /// somebody before).
    #[must_use]
    pub fn has(&self, letter: u8) -> bool {
        self.flags.split(|byte| *byte == b' ').any(|flag| flag == [letter])
    }

    /// The argument of the flag of this letter, where the answer has it.
    #[must_use]
    pub fn argument(&self, letter: u8) -> Option<&[u8]> {
        self.flags.split(|byte| *byte == b' ').find_map(|flag| flag.strip_prefix(&[letter]))
    }

    fn without_win(&self) -> Self {
        let mut flags: Vec<&[u8]> = self.flags.split(|byte| *byte == b' ').filter(|flag| *flag != b"W").collect();
        let stale = flags.iter().rposition(|flag| *flag == b"X").unwrap_or(flags.len());
        flags.insert(stale, b"Z");
        Self { flags: flags.join(&b' ').into(), ..self.clone() }
    }
}

impl Reply {
    /// A failure of which no byte was sent.
    #[must_use]
    pub fn never_sent(kind: FailureKind) -> Self {
        Self::Failed(Failure { kind, sent: Sent::Never })
    }

    /// A failure of a request that may have been carried out.
    #[must_use]
    pub fn maybe_sent(kind: FailureKind) -> Self {
        Self::Failed(Failure { kind, sent: Sent::Maybe })
    }

    /// What those hear who asked the same just behind the one whom this answers.
    ///
    /// The right to recache an item is won by one (`W`): the next is told that somebody has it (`Z`), in the place that
    /// memcached gives that letter.
    #[must_use]
    pub fn shared(&self) -> Self {
        match self {
            Self::Meta(meta) if meta.has(b'W') => Self::Meta(meta.without_win()),
            reply => reply.clone(),
        }
    }

    /// The bytes of the values in it.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Items(items) => items.iter().flatten().map(|item| item.value.len()).sum(),
            Self::Meta(meta) => meta.value.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wins_and_the_others_hear_of_it() {
        let meta = |flags: &'static str| {
            Reply::Meta(MetaReply { status: MetaStatus::Value, flags: flags.into(), value: Bytes::from_static(b"v") })
        };
        for (first, others) in [
            ("f0 c5 X W", "f0 c5 Z X"),
            ("X W", "Z X"),
            ("f0 W", "f0 Z"),
            ("W", "Z"),
            ("kW OW f0", "kW OW f0"),
            ("f0 Z X", "f0 Z X"),
            ("", ""),
        ] {
            assert_eq!(meta(first).shared(), meta(others), "{first}");
        }
        assert_eq!(Reply::Stored.shared(), Reply::Stored);
    }
}
