//! `ketch`: serves until a signal ends it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::control;
use crate::front::{Acceptor, Post, Worker};
use crate::metrics::Hub;
use crate::model::Endpoint;
use crate::net::Listener;
use crate::topology::Topology;

/// Serves `config`; returns when a signal has ended it and what was accepted is finished, or `limits.drain` is over.
///
/// # Errors
/// When a ring cannot be built, an address cannot be listened on or a thread cannot be made.
pub fn serve(config: &Config, origin: Option<&str>) -> anyhow::Result<()> {
    let topology = Arc::new(Topology::build(config)?);
    let links: usize = config.pools.iter().map(|pool| pool.nodes.len() * pool.connections).sum();
    control::raise_descriptors(config.limits.connections, links * config.workers);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(config, origin, topology))
}

async fn run(config: &Config, origin: Option<&str>, topology: Arc<Topology>) -> anyhow::Result<()> {
    let listeners = bind(&config.listeners.memcached).await?;
    let hub = Hub::new(config.workers);
    let start = |index| Worker::start(index, topology.clone(), config.limits.clone(), &hub);
    let workers = (0..config.workers).map(start).collect::<Result<Vec<_>, _>>().context("cannot start a worker")?;
    announce(config, origin, &listeners);
    let posts: Vec<Post> = workers.iter().map(Worker::post).collect();
    let accept = |listener| Acceptor::new(listener, posts.clone(), config.limits.connections, hub.clone()).run();
    let acceptors: Vec<_> = listeners.into_iter().map(|listener| tokio::spawn(accept(listener))).collect();
    tokio::spawn(control::sweep(topology));

    let signal = control::ended().await.context("cannot wait for signals")?;
    tracing::info!(signal, clients = hub.totals().clients, "draining");
    acceptors.iter().for_each(|acceptor| acceptor.abort());
    drain(&workers, config.limits.drain).await;
    tracing::info!("ended");
    Ok(())
}

async fn bind(endpoints: &[Endpoint]) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for endpoint in endpoints {
        let bound = Listener::bind(endpoint).await;
        listeners.extend(bound.with_context(|| format!("cannot listen on {endpoint} (listeners.memcached)"))?);
    }
    Ok(listeners)
}

/// One line that says what listens, what is behind it, and how to change that.
fn announce(config: &Config, origin: Option<&str>, listeners: &[Listener]) {
    let listening: Vec<_> =
        listeners.iter().filter_map(|listener| listener.endpoint().ok()).map(|endpoint| endpoint.to_string()).collect();
    let pools: Vec<_> = config
        .pools
        .iter()
        .map(|pool| format!("{} ({} {} nodes)", pool.name, pool.nodes.len(), pool.protocol.label()))
        .collect();
    tracing::info!(
        memcached = listening.join(" "),
        pools = pools.join(", "),
        workers = config.workers,
        config = origin.unwrap_or("built in; give a file with --config FILE, see config/ketch.yaml"),
        "serving"
    );
}

/// Waits until every worker has finished what its clients are owed, for `limit` at the most.
async fn drain(workers: &[Worker], limit: Duration) {
    workers.iter().for_each(|worker| worker.post().drain());
    let end = Instant::now() + limit;
    while !workers.iter().all(Worker::has_ended) {
        if Instant::now() >= end {
            return tracing::warn!(?limit, "clients are left that did not finish in time");
        }
        sleep(Duration::from_millis(2)).await;
    }
}
