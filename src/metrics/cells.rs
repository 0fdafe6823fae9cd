//! Cells with one writer each.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Command, Outcome, Refusal};
use crate::model::FailureKind;

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

    /// The level now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one worker counts for one pool. Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct PoolCells {
    results: [[Counter; Outcome::COUNT]; Command::COUNT],
    /// Failures by [`FailureKind::index`], told to the client or turned into a miss.
    failures: [Counter; FailureKind::ALL.len()],
    /// Refusals by reason.
    refusals: [Counter; Refusal::COUNT],
    /// Reads that were answered by another client's identical read.
    pub coalesced: Counter,
}

impl PoolCells {
    /// Counts `keys` results of a command.
    #[inline]
    pub fn count(&self, command: Command, outcome: Outcome, keys: u64) {
        self.results[command as usize][outcome as usize].add(keys);
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

    /// How often `command` had this outcome.
    #[must_use]
    pub fn counted(&self, command: Command, outcome: Outcome) -> u64 {
        self.results[command as usize][outcome as usize].value()
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
    /// Bytes read from clients.
    pub bytes_read: Counter,
    /// Bytes written to clients.
    pub bytes_written: Counter,
    /// Bytes that its buffers hold for clients and nodes.
    pub buffered: Gauge,
    /// Lines that were no command, or a bad one.
    pub protocol_errors: Counter,
}
