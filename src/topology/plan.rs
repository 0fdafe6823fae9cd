//! What another configuration would change: nodes, routes, and the keys that would find another server.

mod node;
mod pool;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Config;

pub use node::NodePlan;
pub use pool::PoolPlan;

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
            ("{nodes: [a:1, b:1]}", "{nodes: [a:1, c:1]}", "if both have one name"),
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
