//! A pool as all workers share it: one ring, its nodes, one policy.

use std::sync::Arc;

use crate::backend::{Node, Place, Service};
use crate::model::{FailureKind, Key};
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether identical reads are merged.
    pub coalesce: bool,
    /// Whether a read that no node answered is a miss rather than an error.
    pub errors_are_misses: bool,
    /// What becomes of the keys of a node that is out.
    pub ejected: Ejected,
    /// Whether keys that move are handed over: an empty value may then be the placeholder of one on its way.
    pub hands_over: bool,
}

/// What becomes of the keys of a node that is out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ejected {
    #[default]
    /// They go to the next distinct live owner.
    Rehash,
    /// Reads miss, writes are refused.
    Miss,
    /// Both are refused.
    Error,
}

/// Where a key goes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The key's hash.
    pub hash: u64,
    /// The node that owns it.
    pub owner: usize,
    /// The node that is asked: the owner, or another while the owner is out.
    pub node: Result<usize, FailureKind>,
}

impl Pool {
    /// A pool whose ring counts exactly these nodes, in this order.
    #[must_use]
    pub fn new(name: String, ring: Ring, nodes: Vec<Arc<Node>>, policy: Policy) -> Self {
        debug_assert_eq!(ring.len(), nodes.len());
        // There is nothing to save where the answer comes at once.
        let remote = nodes.iter().any(|node| !matches!(node.place, Place::Embedded(_)));
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

    /// Whether its nodes place the keys further: a get of several keys then goes out as so many.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.place, Place::Cluster(_)))
    }

    /// What it does beyond finding the owner.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Where `key` goes, as the nodes are now.
    #[inline]
    #[must_use]
    pub fn seat(&self, key: &Key) -> Seat {
        let hash = self.ring.hash(key.as_bytes());
        let owner = self.ring.owner(hash);
        let node = match self.nodes[owner].health.service() {
            Service::In => Ok(owner),
            Service::Held => Err(FailureKind::Unreachable),
            Service::Joining if self.nodes[owner].serves(key) => Ok(owner),
            Service::Joining | Service::Out => self.stand_in(hash, key, owner).ok_or(FailureKind::Ejected),
        };
        Seat { hash, owner, node }
    }

    /// The next live node behind `node` for `key` of this `hash`, where the pool wants one.
    #[must_use]
    pub fn stand_in(&self, hash: u64, key: &Key, node: usize) -> Option<usize> {
        if self.policy.ejected != Ejected::Rehash {
            return None;
        }
        let mut behind = self.ring.walk(hash).skip_while(|other| *other != node).skip(1);
        behind.find(|node| self.nodes[*node].serves(key))
    }

    /// Notes a write of `key` with every node that it passes over since that is out; the node that it is for.
    ///
    /// The owner is one of them, and so is who stood in for the owner until it was put out too: it must not come
    /// back with what it was told then. Should one have come back this moment, the write is for that.
    #[must_use]
    pub fn note_write(&self, hash: u64, key: &Key) -> Option<usize> {
        self.ring.walk(hash).find(|node| !self.nodes[*node].note_write(Some(key)))
    }
}
