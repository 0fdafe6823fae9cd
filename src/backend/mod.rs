//! The nodes: whoever answers a request in the end.
//!
//! A [`Node`] is shared by the workers; a [`Link`] is one worker's way to it. A link answers every request
//! exactly once, by the pool's deadline. An [`Errand`] asks a node beside the data path. This room must not know
//! which keys a node owns, nor who asks.

mod backoff;
mod cluster;
mod connection;
mod dialect;
mod errand;
mod health;
mod history;
mod journal;
mod link;
mod node;
mod pending;
mod quota;
mod talk;

pub mod embedded;

pub use connection::has_room;
pub use dialect::{Dialect, Login};
pub use errand::{Errand, probe};
pub use health::{Health, Service, Tolerance};
pub use history::{Change, Reason, State};
pub use journal::Amends;
pub use link::{Link, now};
pub use node::{Node, Place, Readmission, Seeds, Settings};
pub use quota::Quota;
