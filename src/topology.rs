//! Everything that one request may see: which pool a key belongs to, and each pool's ring and nodes.
//!
//! A [`Draft`] is built from a configuration and what stays of the topology before; once published it is the
//! [`Topology`] in force, which all threads find in [`Current`]; a [`View`] is one worker's way into it.
//! This room must not know who publishes a topology, nor what a client typed.

mod build;
mod current;
pub mod explain;
mod plan;

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;

use crate::config::{Config, NodeConfig, PoolConfig, Protocol, Word};
use crate::memory::{Charge, Memory};
use crate::metrics::Hub;
use crate::model::{HashKind, Key, Keys, Read, Reply, ReplyTo, Request};
use crate::ring::{Member, Ring, label};
use crate::route::{Broadcast, Gather, Lane, Pool, Window};

pub use build::Draft;
pub use current::{Current, Lookout};
pub use plan::{Change, NodePlan, Plan, PoolPlan, RoutePlan};

/// The pools and the way to them. Never changes; a new configuration makes a new one.
#[derive(Debug)]
pub struct Topology {
    config: Arc<Config>,
    pools: Vec<Arc<Pool>>,
    /// By the number of the pool: the window in which its keys are handed over from another ring, while that is open.
    windows: Vec<Option<Arc<Window>>>,
    /// Prefix and the number of its pool, the longest prefix first.
    routes: Vec<(Vec<u8>, usize)>,
}

impl Topology {
    /// What it was built of.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The pool of this name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| pool.name() == name)
    }

    /// Every pool.
    #[must_use]
    pub fn pools(&self) -> &[Arc<Pool>] {
        &self.pools
    }

    /// Every pool whose keys are being handed over from another ring.
    pub fn windows(&self) -> impl Iterator<Item = (&Arc<Pool>, &Arc<Window>)> {
        self.pools.iter().zip(&self.windows).filter_map(|(pool, window)| Some((pool, window.as_ref()?)))
    }

    /// What the route of `key` says that its values are, for those who ask over HTTP.
    #[must_use]
    pub fn content_type_of(&self, key: &Key) -> Option<&str> {
        let matching = self.config.routes.iter().filter(|route| key.as_bytes().starts_with(&route.prefix));
        matching.max_by_key(|route| route.prefix.len())?.content_type.as_deref()
    }

    /// The number of the pool that the longest matching prefix names.
    #[inline]
    #[must_use]
    pub fn pool_of(&self, key: &Key) -> Option<usize> {
        let matching = |(prefix, _): &&(Vec<u8>, usize)| prefix.is_empty() || key.as_bytes().starts_with(prefix);
        self.routes.iter().find(matching).map(|(_, pool)| *pool)
    }
}

/// A worker's lanes into one topology. Belongs to its thread.
pub struct View {
    topology: Arc<Topology>,
    lanes: Vec<Lane>,
    memory: Rc<Memory>,
}

/// Which worker looks, where it counts, and what it may hold.
pub struct Place<'a> {
    /// Where the cells are.
    pub hub: &'a Hub,
    /// The worker's number.
    pub worker: usize,
    /// The worker's share of `limits.memory`.
    pub memory: &'a Rc<Memory>,
}

impl View {
    /// Opens a lane to every pool, with the connections that `earlier` has to nodes that stayed.
    #[must_use]
    pub fn open(topology: Arc<Topology>, place: &Place<'_>, earlier: Option<&Self>) -> Self {
        let lane = |(pool, window): (&Arc<Pool>, &Option<Arc<Window>>)| {
            let before = earlier.and_then(|view| view.lanes.iter().find(|lane| lane.pool().name() == pool.name()));
            Lane::open(pool.clone(), window.as_ref(), (place.hub, place.worker), place.memory, before)
        };
        let lanes = topology.pools.iter().zip(&topology.windows).map(lane).collect();
        Self { topology, lanes, memory: place.memory.clone() }
    }

    /// The topology that it leads into.
    #[must_use]
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Sends `request` on its way. It is answered exactly once, perhaps before this returns.
    #[inline]
    pub fn dispatch(&self, request: Rc<Request>, reply_to: ReplyTo) {
        match &*request {
            Request::FlushAll { delay } => {
                let nodes = self.lanes.iter().map(Lane::width).sum();
                let broadcast = Broadcast::new(nodes, reply_to);
                self.lanes.iter().for_each(|lane| lane.flush(*delay, &broadcast));
            }
            Request::Read(Read { keys: Keys::Many(keys), .. }) if self.lanes.len() > 1 => {
                self.split(&keys.clone(), request, reply_to);
            }
            _ => match request.keys().first().and_then(|key| self.topology.pool_of(key)) {
                Some(pool) => self.lanes[pool].dispatch(request, reply_to),
                None => reply_to.answer(no_route()),
            },
        }
    }

    /// A multi-get whose keys may belong to several pools.
    fn split(&self, keys: &Rc<[Key]>, request: Rc<Request>, reply_to: ReplyTo) {
        let pools: Option<Vec<usize>> = keys.iter().map(|key| self.topology.pool_of(key)).collect();
        let Some(pools) = pools else { return reply_to.answer(no_route()) };
        if pools.iter().all(|pool| *pool == pools[0]) {
            return self.lanes[pools[0]].dispatch(request, reply_to);
        }
        let Request::Read(Read { cas, touch, .. }) = *request else { return };
        let mut parts = vec![(Vec::new(), Vec::new()); self.lanes.len()];
        for ((position, key), pool) in (0..).zip(keys.iter()).zip(pools) {
            parts[pool].0.push(key.clone());
            parts[pool].1.push(position);
        }
        let asked = (0..).zip(parts).filter(|(_, (keys, _))| !keys.is_empty());
        let (asked, positions): (Vec<_>, _) = asked.map(|(pool, (keys, at))| ((pool, keys), at)).unzip();
        let gather = Gather::new(keys.len(), positions, Charge::new(&self.memory), reply_to);
        for (index, (pool, mut keys)) in asked.into_iter().enumerate() {
            let keys = match keys.len() {
                1 => Keys::One(keys.remove(0)),
                _ => Keys::Many(keys.into()),
            };
            self.lanes[pool].dispatch(Rc::new(Request::Read(Read { keys, cas, touch })), gather.part(index));
        }
    }
}

fn no_route() -> Reply {
    Reply::Refused("SERVER_ERROR no route has a prefix of this key".into())
}

/// The ring of a pool, whose members are its nodes in their order.
///
/// # Errors
/// When these nodes make no ring.
pub fn ring_of(pool: &PoolConfig) -> anyhow::Result<Ring> {
    let member = |node: &NodeConfig| Member { label: label_of(pool, node), weight: node.weight };
    let members: Vec<_> = members(pool).iter().map(member).collect();
    Ring::new(&pool.placement, &members).with_context(|| format!("pool {}", pool.name))
}

/// The nodes that ketch's ring counts: a cluster is one, of which the nodes typed are seeds.
fn members(pool: &PoolConfig) -> &[NodeConfig] {
    match pool.protocol {
        Protocol::RedisCluster => pool.nodes.get(..1).unwrap_or_default(),
        Protocol::Embedded | Protocol::Memcached | Protocol::Redis => &pool.nodes,
    }
}

/// By what a pool's keys are placed, in words: the distribution and the hash.
#[must_use]
pub fn rules(pool: &PoolConfig) -> (&'static str, &'static str) {
    match pool.protocol.places_keys() {
        true => ("slots", HashKind::Crc16.name()),
        false => (pool.placement.distribution.name(), pool.placement.hash.name()),
    }
}

/// The node's string on the ring of its pool.
#[must_use]
pub fn label_of(pool: &PoolConfig, node: &NodeConfig) -> String {
    let name = node.name.as_deref();
    match &node.endpoint {
        Some(endpoint) => label(endpoint, name, pool.placement.compatibility),
        None => name.unwrap_or_default().to_owned(),
    }
}
