//! What becomes of one pool.

use serde::Serialize;

use super::Change;
use super::node::{NodePlan, Servers};
use crate::config::{PoolConfig, Word, counted};
use crate::model::Distribution;
use crate::ring::Moves;
use crate::topology::{label_of, ring_of};

/// How much more than it must may move before that is worth a warning: a hundredth of the keys.
const SLACK: f64 = 0.01;

/// One pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolPlan {
    /// Its name.
    pub name: String,
    /// Whether it comes, goes or stays.
    pub change: Change,
    /// Those of the new configuration in its order, then those that go.
    pub nodes: Vec<NodePlan>,
    /// The share of the pool's keys that find another server.
    pub moves: f64,
    /// The share that had to, for each node to have its new part.
    pub least: f64,
    /// Of how many keys `moves` was counted; `None` where it is exact.
    pub sampled: Option<u32>,
}

impl PoolPlan {
    /// Whether nothing becomes of the pool.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.change == Change::Stays && self.moves == 0.0 && self.nodes.iter().all(NodePlan::is_empty)
    }

    pub(super) fn between(
        name: &str,
        before: Option<&PoolConfig>,
        after: Option<&PoolConfig>,
        samples: u32,
    ) -> anyhow::Result<Self> {
        let change = match (before, after) {
            (None, _) => Change::In,
            (_, None) => Change::Out,
            _ => Change::Stays,
        };
        let mut servers = Servers::of(before, after);
        let sampled = match (before, after) {
            (Some(before), Some(after)) if is_replaced(before, after) => {
                let moves = Moves::between(&ring_of(before)?, &ring_of(after)?, samples);
                servers.count(&moves.shares);
                moves.sampled
            }
            (before, after) => {
                servers.whole(before, after)?;
                None
            }
        };
        let gains = |node: &NodePlan| (node.share - node.share_before).max(0.0);
        let nodes = &servers.nodes;
        let (moves, least) = match (before, after) {
            // Other servers, so that no key is where it was.
            (Some(before), Some(after)) if before.protocol != after.protocol => (1.0, 1.0),
            (Some(_), Some(_)) => (nodes.iter().map(|node| node.gains).sum(), nodes.iter().map(gains).sum()),
            _ => (0.0, 0.0),
        };
        Ok(Self { name: name.to_owned(), change, nodes: servers.nodes, moves, least, sampled })
    }

    /// Why more moves than must, and what would help.
    pub(super) fn warning(&self, before: &PoolConfig, after: &PoolConfig) -> Option<String> {
        if self.moves <= self.least + SLACK {
            return None;
        }
        let labels = |pool: &PoolConfig| pool.nodes.iter().map(|node| label_of(pool, node)).collect::<Vec<_>>();
        let sorted = |mut labels: Vec<String>| {
            labels.sort_unstable();
            labels
        };
        let is_list = matches!(after.placement.distribution, Distribution::Modula | Distribution::Jump);
        let distribution = after.placement.distribution.name();
        let why = if before.placement != after.placement {
            "keys are placed by other rules (distribution, hash, compatibility, hash_tag or strip_prefix_for_hash)"
                .to_owned()
        } else if self.nodes.iter().any(|node| node.renamed_from.is_some()) && !is_list {
            "nodes have other names, and a node's name is what places it; keep the names".to_owned()
        } else if is_list && labels(before) != labels(after) && sorted(labels(before)) == sorted(labels(after)) {
            format!("the nodes are the same in another order, and {distribution} goes by the order; keep it")
        } else if after.placement.distribution == Distribution::Modula {
            "modula gives most keys another node whenever the list grows or shrinks; ketama would not".to_owned()
        } else if after.placement.distribution == Distribution::Jump {
            "with jump, nodes come and go at the end of the list only".to_owned()
        } else if [Change::In, Change::Out].map(|change| self.nodes.iter().any(|node| node.change == change))
            == [true; 2]
        {
            "servers come and go at once; one that takes another's place takes its keys and no more if both have one name \
             (host:port name)"
                .to_owned()
        } else {
            "nodes change their parts all round".to_owned()
        };
        let (moves, least) = (self.moves * 100.0, self.least * 100.0);
        Some(format!("pool {}: {moves:.1} % of the keys move where {least:.1} % must: {why}", self.name))
    }
}

/// Whether another ring of the same kind places the keys.
fn is_replaced(before: &PoolConfig, after: &PoolConfig) -> bool {
    let is_other = before.placement != after.placement || before.nodes != after.nodes;
    is_other && before.protocol == after.protocol && !after.protocol.places_keys()
}

impl std::fmt::Display for PoolPlan {
    /// In one line: how many nodes come, go or change, and what moves.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |change| self.nodes.iter().filter(|node| node.change == change).count();
        let (come, go, moves) = (count(Change::In), count(Change::Out), self.moves * 100.0);
        match self.change {
            Change::In => write!(f, "{} comes with {}", self.name, counted(come, "node")),
            Change::Out => write!(f, "{} goes with {}", self.name, counted(go, "node")),
            Change::Stays => write!(f, "{}: nodes: {come} in, {go} out; {moves:.1} % of the keys move", self.name),
        }
    }
}
