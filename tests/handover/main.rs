//! Keys that move are handed over: what a change of the ring costs, and what nobody reads.

#[path = "../support/mod.rs"]
mod support;

mod history;
mod other_ring;
mod others;
mod races;
mod relay;
mod warm;
mod window;
