//! Every figure, once: cells that one worker writes and anybody may read.
//!
//! A worker counts in cells of its own, without a lock, a label look-up or a shared cache line; whoever asks
//! adds them up. This room knows the words of `model` and nothing else.

mod cells;
mod command;
mod histogram;
mod hot;
mod hub;
mod link;

pub use cells::{Counter, DoorCells, Gauge, NodeCells, PoolCells, WorkerCells};
pub use command::{Command, Handover, Outcome, Refusal};
pub use histogram::{Histogram, Spread, Took};
pub use hot::HotKeys;
pub use hub::{Door, Hub, NodeTotals, PoolTotals, Totals};
pub use link::LinkCells;
