//! What one worker counts of what it asks one node.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use super::{Command, NodeCells, PoolCells, Took};
use crate::model::Reply;

/// One answer in so many of those that come at once is timed.
const SAMPLE: u32 = 32;

/// The cells of a worker's way to a node. Belongs to the worker.
#[derive(Clone, Debug)]
pub struct LinkCells {
    pool: Arc<PoolCells>,
    /// The node's own.
    pub node: Arc<NodeCells>,
    untimed: Cell<u32>,
}

impl LinkCells {
    pub(super) fn new(pool: Arc<PoolCells>, node: Arc<NodeCells>) -> Self {
        Self { pool, node, untimed: Cell::new(SAMPLE) }
    }

    /// Counts how long the node took for a command.
    #[inline]
    pub fn took(&self, command: Command, took: Took) {
        self.count(command, took, 1);
    }

    /// Carries out what takes less time than two looks at the clock: one in `SAMPLE` is timed, for all since the
    /// last.
    #[inline]
    pub fn sample(&self, command: Command, carry_out: impl FnOnce() -> Reply) -> Reply {
        let untimed = self.untimed.get() + 1;
        let reply = if untimed < SAMPLE {
            self.untimed.set(untimed);
            carry_out()
        } else {
            self.untimed.set(0);
            let begun = Instant::now();
            let reply = carry_out();
            // The very first stands for itself alone.
            let times = if untimed > SAMPLE { 1 } else { untimed };
            self.count(command, Took::new(begun.elapsed()), times.into());
            reply
        };
        self.node.count(&reply);
        reply
    }

    #[inline]
    fn count(&self, command: Command, took: Took, times: u64) {
        self.pool.took(command, took, times);
        self.node.durations.count(took, times);
    }
}
