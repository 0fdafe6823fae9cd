//! From a configuration to a topology, with what stays of the one before.

use std::sync::Arc;
use std::time::Instant;

use super::{Topology, members, ring_of};
use crate::backend::embedded::{Options, Store};
use crate::backend::{self, Dialect, Login, Node, Quota, Readmission, Seeds, Settings, Tolerance};
use crate::config::{Config, NodeConfig, OnEjected, PoolConfig, Protocol, Readmit, ReadsFrom, ReadsOnError, Redis};
use crate::route::{Ejected, Policy, Pool, Window};

/// A topology that is ready and not in force: dropping it changes nothing.
#[derive(Debug)]
pub struct Draft {
    topology: Topology,
    /// What the nodes that stay are told once it is in force.
    adoptions: Vec<(Arc<Node>, Settings)>,
    quotas: Vec<(Arc<Quota>, usize, f64)>,
    /// What ends when it comes into force.
    closing: Vec<Arc<Window>>,
}

impl Draft {
    /// Builds what `config` says.
    ///
    /// A node that `earlier` has in the same pool, under the same name, at the same place and with the same protocol
    /// and credentials is the same node: its connections, health, journal and store stay. New time limits, tolerance
    /// and weights do not change that; an embedded node whose memory or largest value changes begins empty.
    ///
    /// A pool that hands over and whose keys move gets a [`Window`], which opens now, from the ring that `earlier` has. A
    /// window of `earlier` goes on where the ring stays.
    ///
    /// # Errors
    /// When a ring cannot be built of a pool's nodes.
    pub fn build(config: &Arc<Config>, earlier: Option<&Topology>) -> anyhow::Result<Self> {
        let mut routes: Vec<_> = config.routes.iter().map(|route| (route.prefix.clone(), route.pool)).collect();
        routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let topology = Topology { config: config.clone(), pools: Vec::new(), windows: Vec::new(), routes };
        let mut draft = Self { topology, adoptions: Vec::new(), quotas: Vec::new(), closing: Vec::new() };
        for pool in &config.pools {
            let built = draft.pool(config, pool, earlier)?;
            let window =
                earlier.and_then(|earlier| Before::of(earlier, config, pool)).and_then(|it| it.window(pool, &built));
            draft.topology.windows.push(window);
            draft.topology.pools.push(Arc::new(built));
        }
        draft.closing = earlier.map_or_else(Vec::new, |earlier| draft.ended(earlier));
        Ok(draft)
    }

    /// The same topology without the windows whose time is over at `now`; `None` when none is.
    #[must_use]
    pub fn without_expired(earlier: &Topology, now: Instant) -> Option<Self> {
        let open = |window: &&Arc<Window>| window.until() > now;
        let windows: Vec<_> = earlier.windows.iter().map(|window| window.as_ref().filter(open).cloned()).collect();
        let Topology { config, pools, routes, .. } = earlier;
        let (config, pools, routes) = (config.clone(), pools.clone(), routes.clone());
        let topology = Topology { config, pools, windows, routes };
        let mut draft = Self { topology, adoptions: Vec::new(), quotas: Vec::new(), closing: Vec::new() };
        draft.closing = draft.ended(earlier);
        (!draft.closing.is_empty()).then_some(draft)
    }

    /// The windows of `earlier` that do not go on.
    fn ended(&self, earlier: &Topology) -> Vec<Arc<Window>> {
        let goes_on = |window: &Arc<Window>| self.topology.windows().any(|(_, one)| Arc::ptr_eq(one, window));
        earlier.windows().map(|(_, window)| window).filter(|window| !goes_on(window)).cloned().collect()
    }

    /// What it is about.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Tells the nodes that stay how it goes on with them.
    pub(super) fn settle(self) -> Arc<Topology> {
        self.closing.iter().for_each(|window| window.close());
        self.topology.windows().flat_map(|(_, window)| window.departed()).for_each(|node| node.health.depart());
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
    built: &'a Arc<Pool>,
    open: Option<&'a Arc<Window>>,
    nodes: &'a [Arc<Node>],
    value_size: (usize, usize),
}

impl<'a> Before<'a> {
    fn of(earlier: &'a Topology, config: &Config, pool: &PoolConfig) -> Option<Self> {
        let at = earlier.config.pools.iter().position(|before| before.name == pool.name)?;
        let value_size = (earlier.config.limits.value_size, config.limits.value_size);
        let (built, open) = (&earlier.pools[at], earlier.windows[at].as_ref());
        Some(Self { pool: &earlier.config.pools[at], built, open, nodes: built.nodes(), value_size })
    }

    /// The window in which the keys of `pool` are handed over, if they are.
    fn window(&self, pool: &PoolConfig, built: &Pool) -> Option<Arc<Window>> {
        let life = pool.handover?;
        if self.pool.nodes == pool.nodes && self.pool.placement == pool.placement {
            return self.open.cloned();
        }
        let is_same_kind = self.speaks_with(pool) && pool.protocol != Protocol::RedisCluster;
        is_same_kind.then(|| Arc::new(Window::open(self.built.clone(), built, life)))
    }

    /// Whether the nodes of `pool` are asked as these are, and embedded ones have the same room.
    fn speaks_with(&self, pool: &PoolConfig) -> bool {
        let is_embedded = pool.protocol == Protocol::Embedded;
        let has_room = self.pool.memory == pool.memory && self.value_size.0 == self.value_size.1;
        self.pool.protocol == pool.protocol && self.pool.redis == pool.redis && (!is_embedded || has_room)
    }

    fn same(&self, pool: &PoolConfig, node: &NodeConfig) -> Option<Arc<Node>> {
        if !self.speaks_with(pool) {
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
        hands_over: pool.handover.is_some(),
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

    /// What is handed over after one change and then another.
    fn windows(first: &str, then: &str) -> (Option<Arc<Window>>, Option<Arc<Window>>) {
        let pool = |keys: &str| config(&format!("pools: {{main: {{{keys}}}}}"));
        let current = Current::new(Draft::build(&pool("nodes: [a:1, b:1], handover: 1m"), None).unwrap());
        let open = |keys: &str| {
            current.publish(Draft::build(&pool(keys), Some(&current.topology())).unwrap());
            current.topology().windows().next().map(|(_, window)| window.clone())
        };
        (open(first), open(then))
    }

    #[test]
    fn a_window_opens_where_keys_may_move_and_the_pool_hands_over() {
        for (keys, opens) in [
            ("nodes: [a:1, b:1, c:1], handover: 1m", true),
            ("nodes: [a:1], handover: 1m", true),
            ("nodes: [a:1, b:1:2], handover: 1m", true),
            ("nodes: [a:1, b:1], hash: crc32a, handover: 1m", true),
            ("nodes: [a:1, b:1, c:1]", false),
            ("nodes: [a:1, b:1], handover: 2m, request_timeout: 2s", false),
            ("nodes: [a:1, b:1, c:1], handover: 1m, protocol: redis", false),
        ] {
            assert_eq!(windows(keys, keys).0.is_some(), opens, "{keys}");
        }
    }

    #[test]
    fn a_window_goes_on_until_the_ring_changes_again_or_the_pool_hands_over_no_more() {
        let nodes = "nodes: [a:1, b:1, c:1]";
        let (first, then) =
            windows(&format!("{nodes}, handover: 1m"), &format!("{nodes}, handover: 5m, coalesce: false"));
        let (first, then) = (first.unwrap(), then.unwrap());
        assert!(Arc::ptr_eq(&first, &then) && !first.is_closed());
        let (first, then) = windows(&format!("{nodes}, handover: 1m"), nodes);
        assert!(first.unwrap().is_closed() && then.is_none());
        let (first, then) = windows(&format!("{nodes}, handover: 1m"), "nodes: [c:1], handover: 1m");
        let (first, then) = (first.unwrap(), then.unwrap());
        assert!(first.is_closed() && !then.is_closed());
        let departed: Vec<_> = then.departed().map(|node| node.name.clone()).collect();
        assert_eq!(departed, ["a:1", "b:1"]);
    }

    #[test]
    fn a_window_ends_when_its_time_is_over() {
        let current = Current::new(Draft::build(&config("pools: {main: {nodes: [a:1], handover: 1m}}"), None).unwrap());
        let next = config("pools: {main: {nodes: [b:1], handover: 1m}}");
        current.publish(Draft::build(&next, Some(&current.topology())).unwrap());
        let topology = current.topology();
        let window = topology.windows().next().unwrap().1.clone();
        assert!(Draft::without_expired(&topology, Instant::now()).is_none());
        let left = Arc::downgrade(window.departed().next().unwrap());
        current.publish(Draft::without_expired(&topology, window.until()).unwrap());
        assert!(window.is_closed() && current.topology().windows().next().is_none());
        assert_eq!(kept(&topology, &current.topology(), "main"), [true]);
        drop((window, topology));
        assert!(left.upgrade().is_none(), "nobody keeps the node that has left");
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
