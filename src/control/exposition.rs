//! `/metrics`: the cells of all workers, added up when somebody asks. No worker takes part in it.
//!
//! What stands behind a label comes from the configuration or from a closed list, never from a client.

use std::sync::Arc;
use std::time::SystemTime;

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

use super::family::Family;
use super::scope::Scope;
use crate::backend::{Node, Place};
use crate::metrics::{Command, Handover, Outcome};
use crate::model::FailureKind;
use crate::route::Pool;

/// The media type of [`Exposition::text`].
pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;

/// Everything that `/metrics` tells.
pub struct Exposition(Registry);

struct Scrape {
    scope: Scope,
    /// The crate wants one for each collector.
    description: Desc,
}

impl Exposition {
    /// Tells of `scope` and of this process.
    ///
    /// # Errors
    /// When the crate does not take a name: a defect.
    pub fn new(scope: Scope) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let description = Desc::new("ketch_build_info".into(), BUILD.into(), Vec::new(), Default::default())?;
        registry.register(Box::new(Scrape { scope, description }))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self(registry))
    }

    /// The text of this moment.
    ///
    /// # Errors
    /// When two metrics have the same name and labels: a defect.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

const BUILD: &str = "1, with the version of this program.";

impl Collector for Scrape {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let topology = self.scope.topology();
        let families = [requests(&self.scope), clients(&self.scope), refusals(&self.scope), config(&self.scope)];
        let families = families.into_iter().flatten().chain(nodes(&self.scope, topology.pools()));
        let families = families.chain(stores(topology.pools()));
        families.filter_map(Family::finish).collect()
    }
}

/// What was asked of the pools. A command or result that never was has no series.
fn requests(scope: &Scope) -> Vec<Family> {
    let mut results = Family::counter(
        "ketch_requests_total",
        "Requests by what came of them; a read of many keys counts each key. Reads that failed and were answered \
         as misses are misses here, and failures in ketch_node_requests_total.",
    );
    let mut durations = Family::histogram(
        "ketch_request_duration_seconds",
        "From when a request was sent to its node to when it was answered or given up. Merged reads count once.",
    );
    let mut coalesced =
        Family::counter("ketch_coalesced_requests_total", "Reads answered by another client's identical read.");
    let mut handover = Family::counter(
        "ketch_handover_total",
        "Keys that moved by a change of the ring: the old owner was asked, it had the item, the new owner has it now.",
    );
    let doors = scope.hub().doors();
    for (pool, totals) in scope.hub().pools() {
        for command in Command::ALL {
            for door in &doors {
                for result in Outcome::ALL {
                    let count = totals.counted_by(door.number, *command, *result);
                    let labels = [
                        ("listener", door.label.as_str()),
                        ("pool", &pool),
                        ("command", command.label()),
                        ("result", result.label()),
                    ];
                    if count > 0 {
                        results.count(&labels, count);
                    }
                }
            }
            let spread = totals.durations(*command);
            if spread.count() > 0 {
                durations.spread(&[("pool", &pool), ("command", command.label())], &spread);
            }
        }
        coalesced.count(&[("pool", &pool)], totals.coalesced());
        for step in Handover::ALL {
            handover.count(&[("pool", &pool), ("step", step.label())], totals.handed(*step));
        }
    }
    vec![results, durations, coalesced, handover]
}

fn clients(scope: &Scope) -> Vec<Family> {
    let mut clients = Family::gauge("ketch_client_connections", "Clients now connected.");
    let mut bytes = Family::counter("ketch_client_bytes_total", "Bytes read from (in) and written to (out) clients.");
    for door in scope.hub().doors() {
        let label = ("listener", door.label.as_str());
        clients.count(&[label], door.sum(|cells| cells.clients.value()));
        bytes.count(&[label, ("direction", "in")], door.sum(|cells| cells.bytes_read.value()));
        bytes.count(&[label, ("direction", "out")], door.sum(|cells| cells.bytes_written.value()));
    }
    let mut buffered = Family::gauge("ketch_buffered_bytes", "Bytes that buffers hold for clients and nodes.");
    buffered.count(&[], scope.hub().totals().buffered);
    let mut waiting = Family::gauge(
        "ketch_waiting_bodies",
        "Values of more than 64 KiB that wait for room in limits.memory: their clients are not read from meanwhile.",
    );
    waiting.count(&[], scope.hub().totals().waiting);
    let mut room = Family::gauge("ketch_limit_bytes", "What buffers may hold: limits.memory.");
    room.count(&[], scope.config().limits.memory as u64);
    let mut seats = Family::gauge("ketch_limit_connections", "Clients that may connect: limits.connections.");
    seats.count(&[], scope.config().limits.connections as u64);
    let mut workers = Family::gauge("ketch_workers", "Data-plane threads: the cores that the process may fill.");
    workers.count(&[], scope.hub().workers() as u64);
    vec![clients, bytes, buffered, waiting, room, seats, workers]
}

/// Requests, and clients, that were turned away without asking a node.
fn refusals(scope: &Scope) -> Vec<Family> {
    let mut refusals = Family::counter(
        "ketch_rejected_requests_total",
        "Requests that were refused without asking a node: overloaded past max_inflight, memory past limits.memory, \
         unreachable and ejected nodes, protocol for what is no command; connections are clients past \
         limits.connections.",
    );
    let (pools, totals) = (scope.hub().all_pools(), scope.hub().totals());
    for kind in [FailureKind::Unreachable, FailureKind::Ejected, FailureKind::Overloaded] {
        refusals.count(&[("reason", kind.label())], pools.failed(kind));
    }
    let memory = pools.failed(FailureKind::Memory) + totals.out_of_memory;
    for (reason, count) in [("memory", memory), ("protocol", totals.protocol_errors), ("connections", totals.refused)] {
        refusals.count(&[("reason", reason)], count);
    }
    vec![refusals]
}

fn nodes(scope: &Scope, pools: &[Arc<Pool>]) -> Vec<Family> {
    let mut results = Family::counter("ketch_node_requests_total", "Requests by node and by what the node answered.");
    let mut durations = Family::histogram(
        "ketch_node_request_duration_seconds",
        "From when a request was sent to a node to when it was answered or given up.",
    );
    let mut up = Family::gauge("ketch_node_up", "1 while the node is asked, 0 while it is out.");
    let mut ejections = Family::counter("ketch_node_ejections_total", "How often the node was put out, and why.");
    let mut connections = Family::gauge("ketch_node_connections", "Connections to the node that are up.");
    let mut inflight = Family::gauge("ketch_node_inflight", "Requests that wait for the node.");
    let mut shares = Family::gauge("ketch_ring_share", "The node's share of its pool's ring, 0 to 1.");
    for (pool, node, share) in each_node(pools) {
        let labels = [("pool", pool.name()), ("node", &node.name)];
        let totals = scope.hub().node(pool.name(), &node.name);
        for (result, count) in totals.results() {
            results.count(&[labels[0], labels[1], ("result", result)], count);
        }
        durations.spread(&labels, &totals.durations());
        up.count(&labels, u64::from(node.health.service().is_asked()));
        for (reason, count) in node.health.ejections() {
            ejections.count(&[labels[0], labels[1], ("reason", reason.label())], count);
        }
        connections.count(&labels, totals.sum(|cells| cells.connections.value()));
        inflight.count(&labels, totals.sum(|cells| cells.inflight.value()));
        shares.put(&labels, share);
    }
    vec![results, durations, up, ejections, connections, inflight, shares]
}

fn stores(pools: &[Arc<Pool>]) -> Vec<Family> {
    let mut items = Family::gauge("ketch_embedded_items", "Items of an in-process store.");
    let mut bytes = Family::gauge("ketch_embedded_bytes", "Bytes that the items of an in-process store hold.");
    let mut evictions =
        Family::counter("ketch_embedded_evictions_total", "Items that an in-process store dropped for want of room.");
    for (pool, node, _) in each_node(pools) {
        let Place::Embedded(store) = &node.place else { continue };
        let (labels, usage) = ([("pool", pool.name()), ("node", &node.name)], store.usage());
        items.count(&labels, usage.items as u64);
        bytes.count(&labels, usage.bytes);
        evictions.count(&labels, usage.evictions);
    }
    vec![items, bytes, evictions]
}

fn config(scope: &Scope) -> Vec<Family> {
    let report = scope.report();
    let mut reloads = Family::counter("ketch_config_reloads_total", "Reloads of the configuration since the start.");
    reloads.count(&[("result", "success")], report.done);
    reloads.count(&[("result", "failure")], report.refused);
    let mut last = Family::gauge(
        "ketch_config_last_reload_success_timestamp_seconds",
        "When the configuration in use was read, in Unix time.",
    );
    let read = report.succeeded.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    last.put(&[], read.as_secs_f64());
    let mut hash = Family::gauge(
        "ketch_config_hash",
        "The first 48 bits of the hash of the configuration file: processes with the same file share it. 0 without a file.",
    );
    hash.count(&[], report.hash.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0));
    let mut build = Family::gauge("ketch_build_info", BUILD);
    build.count(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    vec![reloads, last, hash, build]
}

/// Every node with its pool and its share of the ring.
fn each_node(pools: &[Arc<Pool>]) -> impl Iterator<Item = (&Pool, &Node, f64)> {
    pools
        .iter()
        .flat_map(|pool| pool.nodes().iter().zip(pool.ring().shares()).map(|(node, share)| (&**pool, &**node, share)))
}
