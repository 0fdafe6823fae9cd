//! Where a key goes, and why: by the configuration alone, whatever state the nodes are in.

use anyhow::Context;
use serde::Serialize;

use super::{label_of, ring_of, rules};
use crate::config::{Config, PoolConfig, Route};
use crate::ring::slot;

/// Everything that decides where one key goes.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The key, as far as it is text.
    pub key: String,
    /// The routes that the key matches, the one that is taken first.
    pub routes: Vec<Match>,
    /// The pool that it belongs to.
    pub pool: String,
    /// Its place there.
    pub placed: Placed,
}

/// A route that takes a key.
#[derive(Debug, Serialize)]
pub struct Match {
    /// What the key begins with; empty for the route that takes the rest.
    pub prefix: String,
    /// Where the route leads.
    pub pool: String,
}

/// Where a key is in its pool, and why.
#[derive(Debug, Serialize)]
pub struct Placed {
    /// As the configuration names it; `slots` for a Redis Cluster.
    pub distribution: &'static str,
    /// As the configuration names it.
    pub hash_name: &'static str,
    /// What of the key is hashed; `None` in a pool of one node, which hashes nothing.
    pub hashed: Option<String>,
    /// What came of it.
    pub hash: Option<u64>,
    /// Where the distribution has points.
    pub point: Option<u32>,
    /// In a Redis Cluster: who has this slot has the key.
    pub slot: Option<u16>,
    /// Who has the key; `None` where only the cluster knows.
    pub owner: Option<Node>,
    /// Who is asked if all before are out, in this order; in a cluster that is the cluster's business.
    pub next: Vec<Node>,
}

/// A node as people know it.
#[derive(Debug, Serialize)]
pub struct Node {
    /// What stands for it on the ring.
    pub label: String,
    /// `None` for an embedded one.
    pub address: Option<String>,
}

/// Explains one key.
///
/// # Errors
/// When a ring cannot be built.
pub fn explain(config: &Config, key: &[u8]) -> anyhow::Result<Explained> {
    let mut routes: Vec<&Route> = config.routes.iter().filter(|route| key.starts_with(&route.prefix)).collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
    let pool = |route: &Route| config.pools.get(route.pool).context("a route leads to no pool");
    let taken = pool(routes.first().context("no route takes the key")?)?;
    let matched = |route: &&Route| Ok(Match { prefix: lossy(&route.prefix), pool: pool(route)?.name.clone() });
    let routes = routes.iter().map(matched).collect::<anyhow::Result<_>>()?;
    Ok(Explained { key: lossy(key), routes, pool: taken.name.clone(), placed: place(taken, key)? })
}

fn place(pool: &PoolConfig, key: &[u8]) -> anyhow::Result<Placed> {
    let (distribution, hash_name) = rules(pool);
    if pool.protocol.places_keys() {
        let (hashed, hash, slot) = slot(key);
        let (hashed, hash, slot) = (Some(lossy(hashed)), Some(hash.into()), Some(slot));
        return Ok(Placed { distribution, hash_name, hashed, hash, point: None, slot, owner: None, next: Vec::new() });
    }
    let ring = ring_of(pool)?;
    let hash = ring.hash(key);
    let hashes = ring.len() > 1;
    let node = |index: usize| Node {
        label: label_of(pool, &pool.nodes[index]),
        address: pool.nodes[index].endpoint.as_ref().map(ToString::to_string),
    };
    Ok(Placed {
        distribution,
        hash_name,
        hashed: hashes.then(|| lossy(ring.subject(key))),
        hash: hashes.then_some(hash),
        point: ring.point(hash),
        slot: None,
        owner: Some(node(ring.owner(hash))),
        next: ring.walk(hash).skip(1).map(node).collect(),
    })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
