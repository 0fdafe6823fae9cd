//! A pool as all workers share it: one ring, its nodes, one policy.

use std::sync::Arc;

use crate::backend::{Node, Place};
use crate::model::Key;
use crate::ring::Ring;

/// One ring and the nodes that it gives keys to. Never changes; a new configuration makes a new one.
#[derive(Debug)]
pub struct Pool {
    name: String,
    ring: Ring,
    nodes: Vec<Arc<Node>>,
    policy: Policy,
}

/// What a pool does beyond finding the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether identical reads are merged.
    pub coalesce: bool,
    /// Whether a read that no node answered is a miss rather than an error.
    pub errors_are_misses: bool,
}

impl Pool {
    /// A pool whose ring counts exactly these nodes, in this order.
    #[must_use]
    pub fn new(name: String, ring: Ring, nodes: Vec<Arc<Node>>, policy: Policy) -> Self {
        debug_assert_eq!(ring.len(), nodes.len());
        // There is nothing to save where the answer comes at once.
        let remote = nodes.iter().any(|node| matches!(node.place, Place::Remote(_)));
        Self { name, ring, nodes, policy: Policy { coalesce: policy.coalesce && remote, ..policy } }
    }

    /// The pool's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ring.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The nodes, as the ring numbers them.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// What it does beyond finding the owner.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The key's hash and the number of the node that owns it.
    #[inline]
    #[must_use]
    pub fn locate(&self, key: &Key) -> (u64, usize) {
        let hash = self.ring.hash(key.as_bytes());
        (hash, self.ring.owner(hash))
    }
}
