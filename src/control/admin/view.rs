//! What the admin server tells in JSON.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::backend::{Change, Node, Place, Service};
use crate::config::{Config, PoolConfig, Word, counted};
use crate::control::Scope;
use crate::metrics::{Command, Outcome, PoolTotals, Spread};
use crate::model::Key;
use crate::route::{Pool, Progress, Window};
use crate::topology::{Topology, rules};

/// How many of the busiest keys of a pool are told.
const HOT_KEYS: usize = 20;
/// How many slices a ring is drawn in.
const SLICES: u64 = 360;

/// A pool of which nodes are not asked.
pub(super) struct Out {
    pool: String,
    /// Their keys go elsewhere.
    out: Vec<String>,
    /// Their keys stay.
    held: Vec<String>,
    of: usize,
}

/// The pools that have nodes which are not asked.
pub(super) fn out(scope: &Scope) -> Vec<Out> {
    let topology = scope.topology();
    let out = |pool: &Arc<Pool>| {
        let which = |service| {
            let nodes = pool.nodes().iter().filter(move |node| node.health.service() == service);
            nodes.map(|node| node.name.clone()).collect()
        };
        let (out, held) = (which(Service::Out), which(Service::Held));
        Out { pool: pool.name().to_owned(), out, held, of: pool.nodes().len() }
    };
    topology.pools().iter().map(out).filter(|pool| pool.count() > 0).collect()
}

/// `/topology`: the pools, their rings and nodes, and what became of them.
pub(super) fn topology(scope: &Scope) -> Value {
    let (topology, config) = (scope.topology(), scope.config());
    let pools: Vec<_> =
        topology.pools().iter().map(|pool| with(told(&topology, pool, &config), "slices", slices(pool))).collect();
    json!({ "config_hash": scope.report().hash, "reloads": reloads(scope), "routes": config.to_json()["routes"], "pools": pools })
}

/// `/hotkeys`: by pool, the busiest first.
pub(super) fn hot_keys(scope: &Scope) -> Value {
    scope.hub().pools().into_iter().map(|(name, totals)| (name, hot(&totals))).collect::<serde_json::Map<_, _>>().into()
}

/// One event of the status page: the topology and all that was counted, from which the page makes rates.
pub(super) fn moment(scope: &Scope) -> Value {
    let (topology, config, counted) = (scope.topology(), scope.config(), scope.hub().pools());
    let pools: Vec<_> = topology
        .pools()
        .iter()
        .map(|pool| {
            let mut json = told(&topology, pool, &config);
            let totals = counted.get(pool.name()).cloned().unwrap_or_default();
            for (node, told) in pool.nodes().iter().zip(json["nodes"].as_array_mut().into_iter().flatten()) {
                told["traffic"] = node_traffic(scope, pool, node);
            }
            json["traffic"] = pool_traffic(&totals);
            with(json, "hot", hot(&totals))
        })
        .collect();
    let totals = scope.hub().totals();
    json!({
        "at": millis(SystemTime::now()),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime": scope.hub().started().elapsed().as_secs(),
        "workers": scope.hub().workers(),
        "draining": scope.is_draining(),
        "config_hash": scope.report().hash,
        "clients": totals.clients,
        "bytes_in": totals.bytes_read,
        "bytes_out": totals.bytes_written,
        "buffered": totals.buffered,
        "memory": config.limits.memory,
        "connections": config.limits.connections,
        "bounds": Spread::bounds().collect::<Vec<_>>(),
        "reloads": reloads(scope),
        "pools": pools,
    })
}

/// The node that a key is sent to at this moment, or why there is none.
pub(super) fn asked(scope: &Scope, key: &Key) -> Value {
    let topology = scope.topology();
    let Some(pool) = topology.pool_of(key).and_then(|pool| topology.pools().get(pool)) else { return Value::Null };
    match pool.seat(key).node {
        Ok(node) => json!({ "node": pool.nodes()[node].name }),
        Err(kind) => json!({ "nobody": kind.message() }),
    }
}

/// A pool, and how its keys are being handed over, if they are.
fn told(topology: &Topology, pool: &Arc<Pool>, config: &Config) -> Value {
    let window = topology.windows().find(|(of, _)| Arc::ptr_eq(of, pool)).map(|(_, window)| handover(window));
    with(pool_json(pool, config), "handover", window.into())
}

fn handover(window: &Window) -> Value {
    let Progress { asked, found, filled } = window.progress();
    let at = |end: Instant| millis(SystemTime::now() + end.saturating_duration_since(Instant::now()));
    json!({
        "opened": millis(window.opened()),
        "asks_until": at(window.asks_until()),
        "until": at(window.until()),
        "departed": window.departed().map(|node| node_json(node, 0.0)).collect::<Vec<_>>(),
        "asked": asked,
        "found": found,
        "filled": filled,
    })
}

fn pool_json(pool: &Pool, config: &Config) -> Value {
    let nodes: Vec<_> =
        pool.nodes().iter().zip(pool.ring().shares()).map(|(node, share)| node_json(node, share)).collect();
    let Some(told) = config.pools.iter().find(|told: &&PoolConfig| told.name == pool.name()) else {
        return json!({ "name": pool.name(), "nodes": nodes });
    };
    let (distribution, hash) = rules(told);
    json!({
        "name": pool.name(),
        "protocol": told.protocol.name(),
        "distribution": distribution,
        "hash": hash,
        "compatibility": told.placement.compatibility.name(),
        "nodes": nodes,
    })
}

fn node_json(node: &Node, share: f64) -> Value {
    let (state, history) = node.health.history();
    let address = match &node.place {
        Place::Embedded(_) => None,
        Place::Remote(endpoint) => Some(endpoint.to_string()),
        Place::Cluster(seeds) => Some(seeds.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    };
    let change = |change: &Change| json!({ "at": millis(change.at), "state": change.state.label(), "reason": change.reason.label() });
    json!({
        "name": node.name,
        "address": address,
        "share": share,
        "state": state.label(),
        "asked": node.health.service().is_asked(),
        "out_since": node.health.out_since().map(|since| millis(SystemTime::now() - since.elapsed())),
        "reason": history.last().map(|last| last.reason.label()),
        "history": history.iter().map(change).collect::<Vec<_>>(),
    })
}

fn node_traffic(scope: &Scope, pool: &Pool, node: &Node) -> Value {
    let totals = scope.hub().node(pool.name(), &node.name);
    let results = totals.results();
    let requests: u64 = results.iter().map(|(_, count)| count).sum();
    let spread = totals.durations();
    let usage = match &node.place {
        Place::Embedded(store) => Some(store.usage()),
        Place::Remote(_) | Place::Cluster(_) => None,
    };
    json!({
        "requests": requests,
        "errors": requests - results[0].1,
        "durations": spread.cumulative,
        "connections": totals.sum(|cells| cells.connections.value()),
        "inflight": totals.sum(|cells| cells.inflight.value()),
        "store": usage.map(|usage| json!({ "items": usage.items, "bytes": usage.bytes, "limit": usage.limit })),
    })
}

fn pool_traffic(totals: &PoolTotals) -> Value {
    let mut durations = Spread::default();
    for command in Command::ALL {
        durations += &totals.durations(*command);
    }
    json!({
        "requests": totals.sum(Command::ALL, Outcome::ALL),
        "hits": totals.sum(Command::ALL, &[Outcome::Hit]),
        "misses": totals.sum(Command::ALL, &[Outcome::Miss]),
        "errors": totals.sum(Command::ALL, &[Outcome::Failed, Outcome::Refused]),
        "coalesced": totals.coalesced(),
        "durations": durations.cumulative,
    })
}

fn hot(totals: &PoolTotals) -> Value {
    let key = |(key, count): (Key, u64)| json!({ "key": text(key.as_bytes()), "requests": count });
    totals.hot_keys().into_iter().take(HOT_KEYS).map(key).collect()
}

/// Who owns each of equal slices of the circle, where there is one.
fn slices(pool: &Pool) -> Value {
    if pool.ring().point(0).is_none() {
        return Value::Null;
    }
    (0..SLICES).map(|slice| pool.ring().owner((slice << 32) / SLICES)).collect()
}

fn reloads(scope: &Scope) -> Value {
    let reload = |(at, outcome): (SystemTime, Result<(), String>)| json!({ "at": millis(at), "error": outcome.err() });
    scope.report().history.into_iter().map(reload).collect()
}

/// A key as far as it is text; other bytes as `\x00`.
fn text(key: &[u8]) -> String {
    std::str::from_utf8(key).map_or_else(|_| key.escape_ascii().to_string(), str::to_owned)
}

fn with(mut json: Value, key: &str, value: Value) -> Value {
    json[key] = value;
    json
}

/// Milliseconds of Unix time, as JavaScript counts it.
fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Out {
    pub(super) fn is_all(&self) -> bool {
        self.count() == self.of
    }

    fn count(&self) -> usize {
        self.out.len() + self.held.len()
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = counted(self.of, "node");
        let is_or_are = |nodes: &[String]| if nodes.len() == 1 { "is" } else { "are" };
        write!(f, "pool {}: ", self.pool)?;
        if !self.out.is_empty() {
            write!(f, "{} of {of} {} out: {}", self.out.len(), is_or_are(&self.out), self.out.join(", "))?;
        }
        if !self.out.is_empty() && !self.held.is_empty() {
            f.write_str("; ")?;
        }
        if !self.held.is_empty() {
            let (count, names) = (self.held.len(), self.held.join(", "));
            let fails = if count == 1 { "fails and keeps its" } else { "fail and keep their" };
            write!(f, "{count} of {of} {fails} keys, as no more may be out (health.max_ejected): {names}")?;
        }
        Ok(())
    }
}
