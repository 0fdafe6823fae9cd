//! From a configuration to a topology, with what stays of the one before.

use std::sync::Arc;

use super::{Topology, members, ring_of};
use crate::backend::embedded::{Options, Store};
use crate::backend::{self, Dialect, Login, Node, Quota, Readmission, Seeds, Settings, Tolerance};
use crate::config::{Config, NodeConfig, OnEjected, PoolConfig, Protocol, Readmit, ReadsFrom, ReadsOnError, Redis};
use crate::route::{Ejected, Policy, Pool};

/// A topology that is ready and not in force: dropping it changes nothing.
#[derive(Debug)]
pub struct Draft {
    topology: Topology,
    /// What the nodes that stay are told once it is in force.
    adoptions: Vec<(Arc<Node>, Settings)>,
    quotas: Vec<(Arc<Quota>, usize, f64)>,
}

impl Draft {
    /// Builds what `config` says.
    ///
    /// A node that `earlier` has in the same pool, under the same name, at the same place and with the same protocol
    /// and credentials is the same node: its connections, health, journal and store stay. New time limits, tolerance
    /// and weights do not change that; an embedded node whose memory or largest value changes begins empty.
    ///
    /// # Errors
    /// When a ring cannot be built of a pool's nodes.
    pub fn build(config: &Arc<Config>, earlier: Option<&Topology>) -> anyhow::Result<Self> {
        let mut routes: Vec<_> = config.routes.iter().map(|route| (route.prefix.clone(), route.pool)).collect();
        routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let topology = Topology { config: config.clone(), pools: Vec::new(), routes };
        let mut draft = Self { topology, adoptions: Vec::new(), quotas: Vec::new() };
        for pool in &config.pools {
            let built = draft.pool(config, pool, earlier)?;
            draft.topology.pools.push(Arc::new(built));
        }
        Ok(draft)
    }

    /// What it is about.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Tells the nodes that stay how it goes on with them.
    pub(super) fn settle(self) -> Arc<Topology> {
        for (node, settings) in self.adoptions {
            node.adopt(settings);
        }
        for (quota, nodes, share) in self.quotas {
            quota.allow(nodes, share);
        }
        Arc::new(self.topology)
    }

    fn pool(&mut self, config: &Config, pool: &PoolConfig, earlier: Option<&Topology>) -> anyhow::Result<Pool> {
        let ring = ring_of(pool)?;
        let before = earlier.and_then(|earlier| Before::of(earlier, config, pool));
        let quota = match before.as_ref().and_then(|before| before.nodes.first()) {
            Some(node) => {
                let quota = node.health.quota().clone();
                self.quotas.push((quota.clone(), pool.nodes.len(), pool.health.max_ejected));
                quota
            }
            None => Quota::new(pool.nodes.len(), pool.health.max_ejected),
        };
        let nodes = members(pool).iter().map(|node| {
            let settings = settings(config, pool);
            match before.as_ref().and_then(|before| before.same(pool, node)) {
                Some(same) => {
                    self.adoptions.push((same.clone(), settings));
                    same
                }
                None => Arc::new(new_node(config, pool, node, settings, quota.clone())),
            }
        });
        Ok(Pool::new(pool.name.clone(), ring, nodes.collect(), policy(pool)))
    }
}

/// A pool of the topology before, and what was typed of it.
struct Before<'a> {
    pool: &'a PoolConfig,
    nodes: &'a [Arc<Node>],
    value_size: (usize, usize),
}

impl<'a> Before<'a> {
    fn of(earlier: &'a Topology, config: &Config, pool: &PoolConfig) -> Option<Self> {
        let at = earlier.config.pools.iter().position(|before| before.name == pool.name)?;
        let value_size = (earlier.config.limits.value_size, config.limits.value_size);
        Some(Self { pool: &earlier.config.pools[at], nodes: earlier.pools[at].nodes(), value_size })
    }

    fn same(&self, pool: &PoolConfig, node: &NodeConfig) -> Option<Arc<Node>> {
        let is_embedded = pool.protocol == Protocol::Embedded;
        let has_room = self.pool.memory == pool.memory && self.value_size.0 == self.value_size.1;
        if self.pool.protocol != pool.protocol || self.pool.redis != pool.redis || is_embedded && !has_room {
            return None;
        }
        if pool.protocol == Protocol::RedisCluster && self.pool.nodes != pool.nodes {
            return None; // other seeds, perhaps another cluster
        }
        let is_same = |before: &NodeConfig| before.endpoint == node.endpoint && before.name == node.name;
        let at = self.pool.nodes.iter().position(is_same)?;
        self.nodes.get(at).cloned()
    }
}

fn policy(pool: &PoolConfig) -> Policy {
    Policy {
        coalesce: pool.coalesce,
        errors_are_misses: pool.reads_on_error == ReadsOnError::Miss,
        ejected: match pool.on_ejected {
            OnEjected::Rehash => Ejected::Rehash,
            OnEjected::Miss => Ejected::Miss,
            OnEjected::Error => Ejected::Error,
        },
    }
}

fn settings(config: &Config, pool: &PoolConfig) -> Settings {
    let health = &pool.health;
    Settings {
        connections: pool.connections,
        connect_timeout: pool.connect_timeout,
        request_timeout: pool.request_timeout,
        max_inflight: pool.max_inflight,
        value_size: config.limits.value_size,
        probe_interval: health.probe_interval,
        probe_timeout: health.probe_timeout,
        tolerance: Tolerance { eject_after: health.eject_after, readmit_after: health.readmit_after },
        readmission: match pool.readmit {
            Readmit::Replay => Readmission::Replay,
            Readmit::Flush => Readmission::Flush,
            Readmit::Keep => Readmission::Keep,
        },
    }
}

fn new_node(config: &Config, pool: &PoolConfig, node: &NodeConfig, settings: Settings, quota: Arc<Quota>) -> Node {
    let value_size = config.limits.value_size;
    let place = match (&node.endpoint, pool.protocol) {
        (Some(_), Protocol::RedisCluster) => backend::Place::Cluster(Seeds {
            endpoints: pool.nodes.iter().filter_map(|seed| seed.endpoint.clone()).collect(),
            replicas: pool.redis.reads == ReadsFrom::Replica,
        }),
        (Some(endpoint), Protocol::Memcached | Protocol::Redis) => backend::Place::Remote(endpoint.clone()),
        _ => backend::Place::Embedded(Arc::new(Store::new(Options { memory: pool.memory, value_size }))),
    };
    let address = node.endpoint.as_ref().map(ToString::to_string);
    let name = node.name.clone().or(address).unwrap_or_default();
    Node::new(&pool.name, name, (place, dialect(pool)), settings, quota)
}

fn dialect(pool: &PoolConfig) -> Dialect {
    match pool.protocol {
        Protocol::Embedded | Protocol::Memcached => Dialect::Memcached,
        Protocol::Redis | Protocol::RedisCluster => {
            let Redis { user, password, database, flush, .. } = pool.redis.clone();
            Dialect::Redis(Arc::new(Login { user, password, database, flush }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Current;

    const FIRST: &str = "pools:\n  main: {nodes: [a:1, b:1, 'c:1:1 third'], request_timeout: 1s}\n  \
                         local: {protocol: embedded, nodes: [x, y]}\nroutes: [{pool: main}]";

    fn config(text: &str) -> Arc<Config> {
        Arc::new(Config::parse(text, "f").unwrap())
    }

    fn current() -> Current {
        Current::new(Draft::build(&config(FIRST), None).unwrap())
    }

    /// Which nodes of pool `name` are those that were there before.
    fn kept(before: &Topology, after: &Topology, name: &str) -> Vec<bool> {
        let nodes = |topology: &Topology| topology.pool(name).map(|pool| pool.nodes().to_vec()).unwrap_or_default();
        let before = nodes(before);
        nodes(after).iter().map(|node| before.iter().any(|one| Arc::ptr_eq(one, node))).collect()
    }

    fn change(from: &str, to: &str) -> (Arc<Topology>, Arc<Topology>) {
        let current = current();
        let before = current.topology();
        assert!(FIRST.contains(from));
        current.publish(Draft::build(&config(&FIRST.replace(from, to)), Some(&before)).unwrap());
        (before, current.topology())
    }

    #[test]
    fn a_node_that_stays_is_the_same() {
        let (before, after) = change("b:1,", "d:1, b:1:3,");
        assert_eq!(kept(&before, &after, "main"), [true, false, true, true]);
        let (before, after) = change("1 third", "1 fourth");
        assert_eq!(kept(&before, &after, "main"), [true, true, false]);
        let (before, after) = change("b:1,", "b:2,");
        assert_eq!(kept(&before, &after, "main"), [true, false, true]);
    }

    #[test]
    fn settings_change_once_the_topology_is_in_force() {
        let current = current();
        let before = current.topology();
        let timeout = || before.pools()[1].nodes()[0].settings().request_timeout.as_millis();
        let draft = Draft::build(&config(&FIRST.replace("timeout: 1s", "timeout: 2s")), Some(&before)).unwrap();
        assert_eq!(timeout(), 1000);
        current.publish(draft);
        assert_eq!(timeout(), 2000);
        assert_eq!(kept(&before, &current.topology(), "main"), [true, true, true]);
    }

    #[test]
    fn an_embedded_node_keeps_its_store_while_that_keeps_its_size() {
        let (before, after) = change("[x, y]", "[x, z]");
        assert_eq!(kept(&before, &after, "local"), [true, false]);
        let (before, after) = change("[x, y]", "[x, y], memory: 32MiB");
        assert_eq!(kept(&before, &after, "local"), [false, false]);
        let (before, after) = change("pools:", "limits: {value_size: 2MiB}\npools:");
        assert_eq!(kept(&before, &after, "local"), [false, false]);
        assert_eq!(kept(&before, &after, "main"), [true, true, true]);
    }

    #[test]
    fn a_lookout_sees_the_change_at_once_and_pins_nothing_after_it() {
        let current = current();
        let mut lookout = current.lookout();
        let first = Arc::downgrade(lookout.topology());
        current.publish(Draft::build(&config(FIRST), Some(&current.topology())).unwrap());
        assert!(!Arc::downgrade(lookout.topology()).ptr_eq(&first));
        assert!(first.upgrade().is_none());
    }
}
