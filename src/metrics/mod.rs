//! Every figure, once: cells that one worker writes and anybody may read.
//!
//! A worker counts in cells of its own, without a lock, a label look-up or a shared cache line; whoever asks
//! adds them up. This room knows the words of `model` and nothing else.

mod cells;
mod command;
mod hub;

pub use cells::{Counter, Gauge, PoolCells, WorkerCells};
pub use command::{Command, Outcome, Refusal};
pub use hub::{Hub, PoolTotals, Totals};
