//! A node of a pool, as all workers see it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::embedded::Store;
use crate::model::Endpoint;

/// One server of a pool, or a store inside this process.
#[derive(Debug)]
pub struct Node {
    /// The pool that it belongs to, for logs.
    pub pool: String,
    /// How logs, metrics and people name it.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// How long to wait for it and how much to ask of it at once.
    pub settings: Settings,
    /// Whether the last word in the log was that it can be reached.
    reachable: AtomicBool,
}

/// Where a node is.
pub enum Place {
    /// In this process.
    Embedded(Arc<Store>),
    /// Behind a socket.
    Remote(Endpoint),
}

/// What a pool says about the connections to its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Connections of each worker.
    pub connections: usize,
    /// The longest that making one may take.
    pub connect_timeout: Duration,
    /// The longest that a request may wait for its answer.
    pub request_timeout: Duration,
    /// The most requests that wait on one connection.
    pub max_inflight: usize,
    /// The largest value that a node may send, in bytes.
    pub value_size: usize,
}

impl Node {
    /// A node nobody has talked to yet.
    #[must_use]
    pub fn new(pool: &str, name: String, place: Place, settings: Settings) -> Self {
        Self { pool: pool.to_owned(), name, place, settings, reachable: AtomicBool::new(true) }
    }

    /// A worker has a connection. Logged when it is news.
    pub(super) fn reached(&self) {
        if !self.reachable.swap(true, Relaxed) {
            tracing::info!(pool = self.pool, node = self.name, "node reachable again");
        }
    }

    /// A worker could not connect, or lost its connection. Logged when it is news.
    pub(super) fn missed(&self, why: &dyn fmt::Display) {
        if self.reachable.swap(false, Relaxed) {
            tracing::warn!(pool = self.pool, node = self.name, error = %why, "node unreachable");
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(_) => f.write_str("embedded"),
            Self::Remote(endpoint) => endpoint.fmt(f),
        }
    }
}
