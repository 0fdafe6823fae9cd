//! Where the cells of all workers meet when somebody asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::cells::DOORS;
use super::{
    Command, Counter, DoorCells, Gauge, Handover, LinkCells, NodeCells, Outcome, PoolCells, Refusal, Spread,
    WorkerCells,
};
use crate::model::{FailureKind, Key};

/// Every cell of the process. Cheap to clone; asked rarely, never by a worker's hot path.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Inner>);

type Nodes = BTreeMap<(String, String), Vec<Arc<NodeCells>>>;

#[derive(Debug)]
struct Inner {
    started: Instant,
    accepted: Gauge,
    refused: Gauge,
    workers: Vec<Arc<WorkerCells>>,
    doors: Mutex<Vec<Arc<Door>>>,
    pools: Mutex<BTreeMap<String, Vec<Arc<PoolCells>>>>,
    /// By pool and node.
    nodes: Mutex<Nodes>,
}

/// One listener, with the cells of every worker.
#[derive(Debug)]
pub struct Door {
    /// The value of the label `listener`.
    pub label: String,
    /// Its number in [`PoolCells::count`].
    pub number: u8,
    workers: Vec<Arc<DoorCells>>,
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
    /// Bytes that buffers hold for clients and nodes.
    pub buffered: u64,
    /// Bodies that wait for room; their clients are not read from meanwhile.
    pub waiting: u64,
    /// Replies and values that found no room, beside those that a pool counts.
    pub out_of_memory: u64,
    /// Lines that were no command, or a bad one.
    pub protocol_errors: u64,
}

/// A sum over one node's cells.
#[derive(Clone, Debug, Default)]
pub struct NodeTotals(Vec<Arc<NodeCells>>);

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
            doors: Mutex::default(),
            pools: Mutex::default(),
            nodes: Mutex::default(),
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

    /// The cells of a listener; one that comes back under its label goes on counting.
    #[must_use]
    pub fn door(&self, label: &str) -> Arc<Door> {
        let mut doors = lock(&self.0.doors);
        if let Some(door) = doors.iter().find(|door| door.label == label) {
            return door.clone();
        }
        if let Some(last) = doors.get(DOORS - 1) {
            return last.clone();
        }
        let number = u8::try_from(doors.len()).unwrap_or(u8::MAX);
        let label = if doors.len() == DOORS - 1 { "other" } else { label }.to_owned();
        let workers = (0..self.workers()).map(|_| Arc::default()).collect();
        doors.push(Arc::new(Door { label, number, workers }));
        doors[usize::from(number)].clone()
    }

    /// Every listener that there was.
    #[must_use]
    pub fn doors(&self) -> Vec<Arc<Door>> {
        lock(&self.0.doors).clone()
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
        let mut pools = lock(&self.0.pools);
        let cells =
            pools.entry(name.to_owned()).or_insert_with(|| (0..self.workers()).map(|_| Arc::default()).collect());
        cells[worker].clone()
    }

    /// The cells of one worker for a node of a pool. Those of nodes that nobody has a link to any more are let go.
    ///
    /// # Panics
    /// When there are fewer workers.
    #[must_use]
    pub fn link(&self, pool: &str, node: &str, worker: usize) -> LinkCells {
        let mut nodes = lock(&self.0.nodes);
        let cells = nodes
            .entry((pool.to_owned(), node.to_owned()))
            .or_insert_with(|| (0..self.workers()).map(|_| Arc::default()).collect());
        let node = cells[worker].clone();
        nodes.retain(|_, cells| cells.iter().any(|cells| Arc::strong_count(cells) > 1));
        LinkCells::new(self.pool(pool, worker), node)
    }

    /// The sum over all workers for a node of a pool.
    #[must_use]
    pub fn node(&self, pool: &str, node: &str) -> NodeTotals {
        let nodes = lock(&self.0.nodes);
        NodeTotals(nodes.get(&(pool.to_owned(), node.to_owned())).cloned().unwrap_or_default())
    }

    /// The sum over all workers' clients.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let sum = |cell: fn(&WorkerCells) -> &Counter| self.0.workers.iter().map(|worker| cell(worker).value()).sum();
        let doors = self.doors();
        Totals {
            clients: self.0.workers.iter().map(|worker| worker.clients.value()).sum(),
            accepted: self.0.accepted.value(),
            refused: self.0.refused.value(),
            bytes_read: doors.iter().map(|door| door.sum(|cells| cells.bytes_read.value())).sum(),
            bytes_written: doors.iter().map(|door| door.sum(|cells| cells.bytes_written.value())).sum(),
            buffered: self.0.workers.iter().map(|worker| worker.buffered.value()).sum(),
            waiting: self.0.workers.iter().map(|worker| worker.waiting.value()).sum(),
            out_of_memory: sum(|worker| &worker.out_of_memory),
            protocol_errors: sum(|worker| &worker.protocol_errors),
        }
    }

    /// The sums by pool, by name.
    #[must_use]
    pub fn pools(&self) -> BTreeMap<String, PoolTotals> {
        let pools = lock(&self.0.pools);
        pools.iter().map(|(name, cells)| (name.clone(), PoolTotals(cells.clone()))).collect()
    }

    /// The sum over all pools.
    #[must_use]
    pub fn all_pools(&self) -> PoolTotals {
        PoolTotals(self.pools().into_values().flat_map(|pool| pool.0).collect())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    /// The cells of one worker.
    ///
    /// # Panics
    /// When there are fewer workers.
    #[must_use]
    pub fn worker(&self, index: usize) -> Arc<DoorCells> {
        self.workers[index].clone()
    }

    /// The sum of a cell over the workers.
    #[must_use]
    pub fn sum(&self, cell: impl Fn(&DoorCells) -> u64) -> u64 {
        self.workers.iter().map(|cells| cell(cells)).sum()
    }
}

impl NodeTotals {
    /// The sum of a cell over the workers.
    #[must_use]
    pub fn sum(&self, cell: impl Fn(&NodeCells) -> u64) -> u64 {
        self.0.iter().map(|cells| cell(cells)).sum()
    }

    /// What it answered, with the label of each result.
    #[must_use]
    pub fn results(&self) -> Vec<(&'static str, u64)> {
        let count = |index| self.sum(|cells| cells.counted().nth(index).unwrap_or_default());
        NodeCells::results().enumerate().map(|(index, label)| (label, count(index))).collect()
    }

    /// How long it took.
    #[must_use]
    pub fn durations(&self) -> Spread {
        self.0.iter().fold(Spread::default(), |mut spread, cells| {
            spread.add(&cells.durations);
            spread
        })
    }
}

impl PoolTotals {
    /// How often `command` had this outcome.
    #[must_use]
    pub fn counted(&self, command: Command, outcome: Outcome) -> u64 {
        (0..DOORS as u8).map(|listener| self.counted_by(listener, command, outcome)).sum()
    }

    /// The same of what came in by one listener.
    #[must_use]
    pub fn counted_by(&self, listener: u8, command: Command, outcome: Outcome) -> u64 {
        self.0.iter().map(|cells| cells.counted(listener, command, outcome)).sum()
    }

    /// How long `command` took.
    #[must_use]
    pub fn durations(&self, command: Command) -> Spread {
        self.0.iter().fold(Spread::default(), |mut spread, cells| {
            spread.add(cells.duration(command));
            spread
        })
    }

    /// The busiest keys and about how often each was used lately, the busiest first.
    #[must_use]
    pub fn hot_keys(&self) -> Vec<(Key, u64)> {
        let mut counts = HashMap::<Key, u64>::new();
        for (key, count) in self.0.iter().flat_map(|cells| cells.hot.counts()) {
            *counts.entry(key).or_default() += count;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.as_bytes().cmp(other.0.as_bytes())));
        counts
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

    /// How many keys came so far in their handover.
    #[must_use]
    pub fn handed(&self, step: Handover) -> u64 {
        self.0.iter().map(|cells| cells.handover[step as usize].value()).sum()
    }

    /// How many reads were answered by another client's.
    #[must_use]
    pub fn coalesced(&self) -> u64 {
        self.0.iter().map(|cells| cells.coalesced.value()).sum()
    }
}
