//! Cells with one writer each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Command, Handover, Histogram, HotKeys, Outcome, Refusal, Took};
use crate::model::{FailureKind, Reply};

/// A count that only one thread raises: a load and a store, no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`. Only the owning worker may call it; a second writer would lose counts.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// The count so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A level that several threads may raise and lower.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more; the level after it.
    pub fn raise(&self) -> u64 {
        self.0.fetch_add(1, Relaxed) + 1
    }

    /// One fewer.
    pub fn lower(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Sets the level. Only for a gauge that one thread writes.
    #[inline]
    pub fn set(&self, level: u64) {
        self.0.store(level, Relaxed);
    }

    /// Changes the level from what a holder had to what it has now. Only for a gauge that one thread writes.
    #[inline]
    pub fn shift(&self, before: u64, now: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(before).wrapping_add(now), Relaxed);
    }

    /// The level now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many listeners have cells of their own; all that come after share the last ones, so that the number of
/// series is bounded whatever is configured.
pub(super) const DOORS: usize = 16;

type Results = [[Counter; Outcome::COUNT]; Command::COUNT];

/// What one worker counts for one pool. Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct PoolCells {
    /// By the number of the listener that the request came in by.
    results: [OnceLock<Box<Results>>; DOORS],
    durations: [Histogram; Command::COUNT],
    /// Failures by [`FailureKind::index`], told to the client or turned into a miss.
    failures: [Counter; FailureKind::ALL.len()],
    /// Refusals by reason.
    refusals: [Counter; Refusal::COUNT],
    /// Reads that were answered by another client's identical read.
    pub coalesced: Counter,
    /// Keys for which the old owner was asked, of which it had the item, and whose item was put on the new owner.
    pub handover: [Counter; Handover::COUNT],
    /// Its busiest keys.
    pub hot: HotKeys,
}

impl PoolCells {
    /// Counts `keys` results of a command that came in by the listener of this number.
    #[inline]
    pub fn count(&self, listener: u8, command: Command, outcome: Outcome, keys: u64) {
        self.results(listener, command)[outcome as usize].add(keys);
    }

    /// Counts what a read has found, and what it has not.
    #[inline]
    pub fn count_items(&self, listener: u8, command: Command, hits: u64, misses: u64) {
        let results = self.results(listener, command);
        results[Outcome::Hit as usize].add(hits);
        results[Outcome::Miss as usize].add(misses);
    }

    #[inline]
    fn results(&self, listener: u8, command: Command) -> &[Counter; Outcome::COUNT] {
        let door = usize::from(listener).min(DOORS - 1);
        &self.results[door].get_or_init(Box::default)[command as usize]
    }

    /// Counts the time from when a command was sent to when it was answered, or given up.
    #[inline]
    pub fn took(&self, command: Command, took: Took, times: u64) {
        self.durations[command as usize].count(took, times);
    }

    /// How long `command` took.
    #[must_use]
    pub fn duration(&self, command: Command) -> &Histogram {
        &self.durations[command as usize]
    }

    /// Counts a failed request.
    pub fn fail(&self, kind: FailureKind) {
        self.failures[kind.index()].add(1);
    }

    /// Counts what a node refused with this line.
    pub fn refuse(&self, line: &[u8]) {
        self.refusals[Refusal::of(line) as usize].add(1);
    }

    /// How often nodes refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refusals[reason as usize].value()
    }

    /// How often `command` had this outcome, of what came in by the listener of this number.
    #[must_use]
    pub fn counted(&self, listener: u8, command: Command, outcome: Outcome) -> u64 {
        let results = self.results.get(usize::from(listener)).and_then(OnceLock::get);
        results.map_or(0, |results| results[command as usize][outcome as usize].value())
    }

    /// How often requests failed this way.
    #[must_use]
    pub fn failed(&self, kind: FailureKind) -> u64 {
        self.failures[kind.index()].value()
    }
}

/// What one worker counts for its clients. Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerCells {
    /// Clients now connected; raised by the acceptor, lowered by the worker.
    pub clients: Gauge,
    /// Bytes that its buffers hold for clients and nodes.
    pub buffered: Gauge,
    /// Bodies that wait for room; their clients are not read from meanwhile.
    pub waiting: Gauge,
    /// Lines that were no command, or a bad one.
    pub protocol_errors: Counter,
    /// Replies and values that found no room in `limits.memory`, beside those that a pool counts.
    pub out_of_memory: Counter,
}

/// What one worker counts for the clients of one listener. Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct DoorCells {
    /// Clients now connected.
    pub clients: Gauge,
    /// Bytes read from them.
    pub bytes_read: Counter,
    /// Bytes written to them.
    pub bytes_written: Counter,
}

/// What one worker counts for one node. Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct NodeCells {
    answered: Counter,
    refused: Counter,
    /// By [`FailureKind::index`].
    failures: [Counter; FailureKind::ALL.len()],
    /// From when it was asked to when it answered, or was given up.
    pub durations: Histogram,
    /// Connections that are up.
    pub connections: Gauge,
    /// Requests that wait for its answer.
    pub inflight: Gauge,
}

impl NodeCells {
    /// The labels of its results: answers first, then every kind of failure.
    pub fn results() -> impl Iterator<Item = &'static str> {
        ["ok", "refused"].into_iter().chain(FailureKind::ALL.into_iter().map(FailureKind::label))
    }

    /// Counts what it answered, or how it failed.
    #[inline]
    pub fn count(&self, reply: &Reply) {
        match reply {
            Reply::Failed(failure) => self.failures[failure.kind.index()].add(1),
            Reply::Refused(_) => self.refused.add(1),
            _ => self.answered.add(1),
        }
    }

    /// The counts in the order of [`NodeCells::results`].
    pub fn counted(&self) -> impl Iterator<Item = u64> + '_ {
        [&self.answered, &self.refused].into_iter().chain(&self.failures).map(Counter::value)
    }
}
