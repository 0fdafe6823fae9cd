//! What becomes of the servers of a pool.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Change;
use crate::config::{NodeConfig, PoolConfig};
use crate::topology::{label_of, ring_of};

/// One node of a pool. The same server under another name is one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodePlan {
    /// Its string on the ring: the new one where it has two.
    pub label: String,
    /// Where it is; `None` for an embedded one.
    pub address: Option<String>,
    /// Whether it comes, goes or stays.
    pub change: Change,
    /// Its string on the ring before, where that was another.
    pub renamed_from: Option<String>,
    /// Its weight before; `None` when it comes.
    pub weight_before: Option<u32>,
    /// Its weight after; `None` when it goes.
    pub weight: Option<u32>,
    /// The share of the pool's keys that it has before.
    pub share_before: f64,
    /// The share that it has after.
    pub share: f64,
    /// The share that it gets from others.
    pub gains: f64,
    /// The share that it gives to others.
    pub loses: f64,
    /// Whether it is one of those that a Redis Cluster is found by: then it has no share that ketch knows of.
    pub seed: bool,
}

/// The servers of a pool before and after, each once.
pub(super) struct Servers {
    pub(super) nodes: Vec<NodePlan>,
    /// Which of them is which node before, and after.
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Servers {
    pub(super) fn of(before: Option<&PoolConfig>, after: Option<&PoolConfig>) -> Self {
        let mut servers = Self { nodes: Vec::new(), before: Vec::new(), after: Vec::new() };
        for (pool, node) in after.into_iter().flat_map(|pool| pool.nodes.iter().map(move |node| (pool, node))) {
            servers.after.push(servers.nodes.len());
            servers.nodes.push(NodePlan::new(pool, node, Change::In));
        }
        let mut met = vec![false; servers.nodes.len()];
        for (pool, node) in before.into_iter().flat_map(|pool| pool.nodes.iter().map(move |node| (pool, node))) {
            let is_same_pool = after.is_some_and(|after| after.protocol == pool.protocol);
            let same = after.filter(|_| is_same_pool).and_then(|after| same(node, &after.nodes, &met));
            let at = match same {
                Some(at) => {
                    met[at] = true;
                    servers.nodes[at].was(pool, node);
                    at
                }
                None => {
                    let gone = NodePlan::new(pool, node, Change::Out);
                    servers.nodes.push(NodePlan { weight: None, weight_before: Some(node.weight), ..gone });
                    servers.nodes.len() - 1
                }
            };
            servers.before.push(at);
        }
        servers
    }

    pub(super) fn count(&mut self, shares: &BTreeMap<(usize, usize), f64>) {
        for ((old, new), share) in shares {
            let (old, new) = (self.before[*old], self.after[*new]);
            self.nodes[old].share_before += share;
            self.nodes[new].share += share;
            if old != new {
                self.nodes[old].loses += share;
                self.nodes[new].gains += share;
            }
        }
    }

    /// A pool that comes or goes: nothing moves between its nodes.
    pub(super) fn whole(&mut self, before: Option<&PoolConfig>, after: Option<&PoolConfig>) -> anyhow::Result<()> {
        for (at, share) in self.before.iter().zip(shares(before)?) {
            self.nodes[*at].share_before = share;
        }
        for (at, share) in self.after.iter().zip(shares(after)?) {
            self.nodes[*at].share = share;
        }
        Ok(())
    }
}

/// What each node of a pool has of the keys; nothing that anybody here knows where a cluster places them.
fn shares(pool: Option<&PoolConfig>) -> anyhow::Result<Vec<f64>> {
    match pool.filter(|pool| !pool.protocol.places_keys()) {
        Some(pool) => Ok(ring_of(pool)?.shares().into_iter().collect()),
        None => Ok(Vec::new()),
    }
}

/// The same server in another list: at the same address under the same name, else at the same address; an embedded
/// one under the same name.
fn same(node: &NodeConfig, nodes: &[NodeConfig], met: &[bool]) -> Option<usize> {
    let free = |at: &usize| !met[*at];
    let find = |is: &dyn Fn(&NodeConfig) -> bool| (0..nodes.len()).filter(free).find(|at| is(&nodes[*at]));
    find(&|other| other.endpoint == node.endpoint && other.name == node.name)
        .or_else(|| find(&|other| node.endpoint.is_some() && other.endpoint == node.endpoint))
}

impl NodePlan {
    /// Whether nothing becomes of the node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let same = self.change == Change::Stays && self.renamed_from.is_none() && self.weight_before == self.weight;
        same && self.gains == 0.0 && self.loses == 0.0
    }

    fn new(pool: &PoolConfig, node: &NodeConfig, change: Change) -> Self {
        Self {
            label: label_of(pool, node),
            address: node.endpoint.as_ref().map(ToString::to_string),
            change,
            renamed_from: None,
            weight_before: None,
            weight: Some(node.weight),
            share_before: 0.0,
            share: 0.0,
            gains: 0.0,
            loses: 0.0,
            seed: pool.protocol.places_keys(),
        }
    }

    fn was(&mut self, pool: &PoolConfig, node: &NodeConfig) {
        let label = label_of(pool, node);
        self.change = Change::Stays;
        self.weight_before = Some(node.weight);
        self.renamed_from = (label != self.label).then_some(label);
    }
}
