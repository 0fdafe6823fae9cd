//! The nodes: whoever answers a request in the end.
//!
//! A [`Node`] is shared by the workers; a [`Link`] is one worker's way to it. A link answers every request
//! exactly once, by the pool's deadline. This room must not know which keys a node owns, nor who asks.

mod backoff;
mod connection;
mod link;
mod node;
mod pending;
mod talk;

pub mod embedded;

pub use link::{Link, now};
pub use node::{Node, Place, Settings};
