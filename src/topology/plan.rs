//! What another configuration would change: nodes, routes, and the keys that would find another server.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{label_of, ring_of};
use crate::config::{Config, NodeConfig, PoolConfig, Word, counted};
use crate::model::Distribution;
use crate::ring::Moves;

/// How much more than it must may move before that is worth a warning: a hundredth of the keys.
const SLACK: f64 = 0.01;

/// The way from one configuration to another. Shares are of the key space, 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Every pool that either has, by name.
    pub pools: Vec<PoolPlan>,
    /// Every prefix that leads to another pool than before, or did not lead anywhere.
    pub routes: Vec<RoutePlan>,
    /// What else is another: `listeners`, `limits`, `pools.main.request_timeout` …
    pub settings: Vec<String>,
    /// What the person who planned it may not have meant.
    pub warnings: Vec<String>,
}

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
}

/// One prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoutePlan {
    /// What the keys begin with; empty for the rest.
    pub prefix: String,
    /// The pool that has them before; `None` where no route named the prefix.
    pub before: Option<String>,
    /// The pool that has them after; `None` where no route names the prefix.
    pub after: Option<String>,
}

/// What becomes of a pool or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there before.
    In,
    /// It is there no more.
    Out,
    /// It is there before and after.
    Stays,
}

impl Plan {
    /// Compares two configurations. Where keys have to be counted, `samples` of them are.
    ///
    /// # Errors
    /// When a ring cannot be built of a pool's nodes.
    pub fn between(old: &Config, new: &Config, samples: u32) -> anyhow::Result<Self> {
        let mut names: Vec<&str> = old.pools.iter().chain(&new.pools).map(|pool| pool.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let (mut pools, mut warnings) = (Vec::new(), Vec::new());
        for name in names {
            let find = |config: &'_ Config| config.pools.iter().position(|pool| pool.name == name);
            let (before, after) = (find(old).map(|at| &old.pools[at]), find(new).map(|at| &new.pools[at]));
            let plan = PoolPlan::between(name, before, after, samples)?;
            if let (Some(before), Some(after)) = (before, after) {
                warnings.extend(plan.warning(before, after));
            }
            pools.push(plan);
        }
        Ok(Self { pools, routes: routes(old, new), settings: settings(old, new), warnings })
    }

    /// Whether the two configurations come to the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pools.iter().all(PoolPlan::is_empty) && self.routes.is_empty() && self.settings.is_empty()
    }
}

impl PoolPlan {
    /// Whether nothing becomes of the pool.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.change == Change::Stays && self.moves == 0.0 && self.nodes.iter().all(NodePlan::is_empty)
    }

    fn between(
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
            (Some(before), Some(after)) if before.placement != after.placement || before.nodes != after.nodes => {
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
        let (moves, least) = match change {
            Change::Stays => {
                let nodes = &servers.nodes;
                (nodes.iter().map(|node| node.gains).sum(), nodes.iter().map(gains).sum())
            }
            Change::In | Change::Out => (0.0, 0.0),
        };
        Ok(Self { name: name.to_owned(), change, nodes: servers.nodes, moves, least, sampled })
    }

    /// Why more moves than must, and what would help.
    fn warning(&self, before: &PoolConfig, after: &PoolConfig) -> Option<String> {
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
        } else {
            "nodes change their parts all round".to_owned()
        };
        let (moves, least) = (self.moves * 100.0, self.least * 100.0);
        Some(format!("pool {}: {moves:.1} % of the keys move where {least:.1} % must: {why}", self.name))
    }
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

impl NodePlan {
    /// Whether nothing becomes of the node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let same = self.change == Change::Stays && self.renamed_from.is_none() && self.weight_before == self.weight;
        same && self.gains == 0.0 && self.loses == 0.0
    }
}

/// The servers of a pool before and after, each once.
struct Servers {
    nodes: Vec<NodePlan>,
    /// Which of them is which node before, and after.
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Servers {
    fn of(before: Option<&PoolConfig>, after: Option<&PoolConfig>) -> Self {
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

    fn count(&mut self, shares: &BTreeMap<(usize, usize), f64>) {
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
    fn whole(&mut self, before: Option<&PoolConfig>, after: Option<&PoolConfig>) -> anyhow::Result<()> {
        for (at, share) in self.before.iter().zip(before.map(ring_of).transpose()?.into_iter().flat_map(|r| r.shares()))
        {
            self.nodes[*at].share_before = share;
        }
        for (at, share) in self.after.iter().zip(after.map(ring_of).transpose()?.into_iter().flat_map(|r| r.shares())) {
            self.nodes[*at].share = share;
        }
        Ok(())
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
        }
    }

    fn was(&mut self, pool: &PoolConfig, node: &NodeConfig) {
        let label = label_of(pool, node);
        self.change = Change::Stays;
        self.weight_before = Some(node.weight);
        self.renamed_from = (label != self.label).then_some(label);
    }
}

fn routes(old: &Config, new: &Config) -> Vec<RoutePlan> {
    let by_prefix = |config: &Config| -> BTreeMap<Vec<u8>, String> {
        config.routes.iter().map(|route| (route.prefix.clone(), config.pools[route.pool].name.clone())).collect()
    };
    let (before, after) = (by_prefix(old), by_prefix(new));
    let mut prefixes: Vec<_> = before.keys().chain(after.keys()).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let plan = |prefix: &Vec<u8>| RoutePlan {
        prefix: String::from_utf8_lossy(prefix).into_owned(),
        before: before.get(prefix).cloned(),
        after: after.get(prefix).cloned(),
    };
    prefixes.into_iter().map(plan).filter(|route| route.before != route.after).collect()
}

/// The keys outside of nodes and routes that have another value.
fn settings(old: &Config, new: &Config) -> Vec<String> {
    let mut settings = Vec::new();
    let mut note = |is_other: bool, name: &str| {
        if is_other {
            settings.push(name.to_owned());
        }
    };
    note(old.workers != new.workers, "workers");
    note(old.listeners != new.listeners, "listeners");
    note(old.admin != new.admin, "admin");
    note(old.limits != new.limits, "limits");
    for after in &new.pools {
        let Some(before) = old.pools.iter().find(|before| before.name == after.name) else { continue };
        let mut note = |is_other, key: &str| note(is_other, &format!("pools.{}.{key}", after.name));
        note(before.protocol != after.protocol, "protocol");
        note(before.memory != after.memory, "memory");
        note(before.placement != after.placement, "placement");
        note(before.connections != after.connections, "connections");
        note(before.connect_timeout != after.connect_timeout, "connect_timeout");
        note(before.request_timeout != after.request_timeout, "request_timeout");
        note(before.max_inflight != after.max_inflight, "max_inflight");
        note(before.reads_on_error != after.reads_on_error, "reads_on_error");
        note(before.coalesce != after.coalesce, "coalesce");
        note(before.health != after.health, "health");
        note(before.on_ejected != after.on_ejected, "on_ejected");
        note(before.readmit != after.readmit, "readmit");
        note(before.handover != after.handover, "handover");
        note(before.redis != after.redis, "redis");
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(old: &str, new: &str) -> Plan {
        let config = |pool: &str| Config::parse(&format!("pools: {{main: {pool}}}"), "f").unwrap();
        Plan::between(&config(old), &config(new), 20_000).unwrap()
    }

    fn node<'a>(plan: &'a Plan, label: &str) -> &'a NodePlan {
        plan.pools[0].nodes.iter().find(|node| node.label == label).unwrap()
    }

    #[test]
    fn the_same_file_changes_nothing() {
        let same = plan("{nodes: [a:1, b:1]}", "{nodes: [a:1, b:1]}");
        assert!(same.is_empty(), "{same:?}");
    }

    #[test]
    fn a_node_more_takes_its_part_from_all_others() {
        let plan = plan("{nodes: [a:1, b:1, c:1]}", "{nodes: [a:1, b:1, c:1, d:1]}");
        let pool = &plan.pools[0];
        let new = node(&plan, "d:1");
        assert_eq!((new.change, new.weight_before, new.weight, new.loses), (Change::In, None, Some(1), 0.0));
        assert!((new.gains - pool.moves).abs() < 1e-9 && (pool.least - pool.moves).abs() < 1e-9);
        assert!((0.2..0.3).contains(&pool.moves), "{}", pool.moves);
        assert_eq!((pool.sampled, plan.warnings.len()), (None, 0));
        assert!(node(&plan, "a:1").loses > 0.0);
    }

    #[test]
    fn the_same_server_under_another_name_or_weight_is_one_node() {
        let plan = plan("{nodes: [a:1 x, b:1]}", "{nodes: [a:1 y, b:1:2]}");
        let renamed = node(&plan, "y");
        assert_eq!((renamed.change, renamed.renamed_from.as_deref()), (Change::Stays, Some("x")));
        let heavier = node(&plan, "b:1");
        assert_eq!((heavier.weight_before, heavier.weight), (Some(1), Some(2)));
        assert_eq!(plan.pools[0].nodes.len(), 2);
        assert!(plan.warnings[0].contains("keep the names"), "{:?}", plan.warnings);
    }

    #[test]
    fn more_than_must_is_warned_of_with_the_reason() {
        for (old, new, why) in [
            ("{nodes: [a:1, b:1], distribution: modula}", "{nodes: [b:1, a:1], distribution: modula}", "another order"),
            ("{nodes: [a:1, b:1], distribution: modula}", "{nodes: [a:1, b:1, c:1], distribution: modula}", "ketama"),
            ("{nodes: [a:1, b:1], distribution: jump}", "{nodes: [c:1, a:1, b:1], distribution: jump}", "at the end"),
            ("{nodes: [a:1, b:1]}", "{nodes: [a:1, b:1], hash: crc32a}", "other rules"),
        ] {
            let plan = plan(old, new);
            assert!(plan.warnings.iter().any(|warning| warning.contains(why)), "{new}: {:?}", plan.warnings);
        }
        let grown = plan("{nodes: [a:1, b:1], distribution: jump}", "{nodes: [a:1, b:1, c:1], distribution: jump}");
        assert_eq!((grown.warnings.as_slice(), grown.pools[0].sampled), (&[][..], Some(20_000)));
    }

    #[test]
    fn pools_routes_and_settings_are_told_too() {
        let config = |text: &str| Config::parse(text, "f").unwrap();
        let old = config("pools: {a: {nodes: [h:1]}, b: {nodes: [h:2]}}\nroutes: [{pool: a}, {prefix: x, pool: b}]");
        let new = config(
            "limits: {connections: 7}\npools: {a: {nodes: [h:1], coalesce: false}, c: {nodes: [h:2]}}\n\
             routes: [{pool: c}, {prefix: y, pool: a}]",
        );
        let plan = Plan::between(&old, &new, 0).unwrap();
        let changes: Vec<_> = plan.pools.iter().map(|pool| (pool.name.as_str(), pool.change)).collect();
        assert_eq!(changes, [("a", Change::Stays), ("b", Change::Out), ("c", Change::In)]);
        let routes: Vec<_> =
            plan.routes.iter().map(|r| (r.prefix.as_str(), r.before.as_deref(), r.after.as_deref())).collect();
        assert_eq!(routes, [("", Some("a"), Some("c")), ("x", Some("b"), None), ("y", None, Some("a"))]);
        assert_eq!(plan.settings, ["limits", "pools.a.coalesce"]);
    }
}
