//! Where the cells of all workers meet when somebody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Command, Counter, Gauge, Outcome, PoolCells, Refusal, WorkerCells};
use crate::model::FailureKind;

/// Every cell of the process. Cheap to clone; asked rarely, never by a worker's hot path.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    accepted: Gauge,
    refused: Gauge,
    workers: Vec<Arc<WorkerCells>>,
    pools: Mutex<BTreeMap<String, Vec<Arc<PoolCells>>>>,
}

/// A sum over the workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clients now connected.
    pub clients: u64,
    /// Clients ever accepted.
    pub accepted: u64,
    /// Clients turned away, since there were `limits.connections` already.
    pub refused: u64,
    /// Bytes read from clients.
    pub bytes_read: u64,
    /// Bytes written to clients.
    pub bytes_written: u64,
    /// Lines that were no command, or a bad one.
    pub protocol_errors: u64,
}

/// A sum over one pool's cells, or over all pools'.
#[derive(Clone, Debug, Default)]
pub struct PoolTotals(Vec<Arc<PoolCells>>);

impl Hub {
    /// Cells for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let workers = (0..workers).map(|_| Arc::default()).collect();
        Self(Arc::new(Inner {
            started: Instant::now(),
            accepted: Gauge::default(),
            refused: Gauge::default(),
            workers,
            pools: Mutex::default(),
        }))
    }

    /// The cells of one worker.
    ///
    /// # Panics
    /// When there are fewer workers.
    #[must_use]
    pub fn worker(&self, index: usize) -> Arc<WorkerCells> {
        self.0.workers[index].clone()
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.0.workers.len()
    }

    /// Clients ever accepted.
    #[must_use]
    pub fn accepted(&self) -> &Gauge {
        &self.0.accepted
    }

    /// Clients turned away.
    #[must_use]
    pub fn refused(&self) -> &Gauge {
        &self.0.refused
    }

    /// When the process began to serve.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// The cells of one worker for a pool; a pool that comes back under its name goes on counting.
    ///
    /// # Panics
    /// When there are fewer workers.
    #[must_use]
    pub fn pool(&self, name: &str, worker: usize) -> Arc<PoolCells> {
        let mut pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let cells =
            pools.entry(name.to_owned()).or_insert_with(|| (0..self.workers()).map(|_| Arc::default()).collect());
        cells[worker].clone()
    }

    /// The sum over all workers' clients.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let sum = |cell: fn(&WorkerCells) -> &Counter| self.0.workers.iter().map(|worker| cell(worker).value()).sum();
        Totals {
            clients: self.0.workers.iter().map(|worker| worker.clients.value()).sum(),
            accepted: self.0.accepted.value(),
            refused: self.0.refused.value(),
            bytes_read: sum(|worker| &worker.bytes_read),
            bytes_written: sum(|worker| &worker.bytes_written),
            protocol_errors: sum(|worker| &worker.protocol_errors),
        }
    }

    /// The sums by pool, by name.
    #[must_use]
    pub fn pools(&self) -> BTreeMap<String, PoolTotals> {
        let pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().map(|(name, cells)| (name.clone(), PoolTotals(cells.clone()))).collect()
    }

    /// The sum over all pools.
    #[must_use]
    pub fn all_pools(&self) -> PoolTotals {
        PoolTotals(self.pools().into_values().flat_map(|pool| pool.0).collect())
    }
}

impl PoolTotals {
    /// How often `command` had this outcome.
    #[must_use]
    pub fn counted(&self, command: Command, outcome: Outcome) -> u64 {
        self.0.iter().map(|cells| cells.counted(command, outcome)).sum()
    }

    /// How often any of these commands had any of these outcomes.
    #[must_use]
    pub fn sum(&self, commands: &[Command], outcomes: &[Outcome]) -> u64 {
        let outcomes = |command| outcomes.iter().map(move |outcome| self.counted(command, *outcome)).sum::<u64>();
        commands.iter().map(|command| outcomes(*command)).sum()
    }

    /// How often nodes refused for this reason.
    #[must_use]
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.0.iter().map(|cells| cells.refused(reason)).sum()
    }

    /// How often requests failed this way.
    #[must_use]
    pub fn failed(&self, kind: FailureKind) -> u64 {
        self.0.iter().map(|cells| cells.failed(kind)).sum()
    }

    /// How many reads were answered by another client's.
    #[must_use]
    pub fn coalesced(&self) -> u64 {
        self.0.iter().map(|cells| cells.coalesced.value()).sum()
    }
}
