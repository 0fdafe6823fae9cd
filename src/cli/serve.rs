//! `ketch`: serves until a signal ends it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, sleep};

use super::log;
use crate::config::{Config, Word};
use crate::control;
use crate::front::{Acceptor, Post, Worker};
use crate::metrics::Hub;
use crate::model::Endpoint;
use crate::net::Listener;
use crate::topology::Topology;

/// The flags of serving.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; without one, the built-in configuration is served.
    #[arg(long, env = "KETCH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Data-plane threads, in place of the file's `workers`.
    #[arg(long, env = "KETCH_WORKERS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,

    #[command(flatten)]
    log: log::Flags,
}

/// Serves what the flags say, until a signal.
///
/// # Errors
/// When the configuration is not valid, and as [`serve`].
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = args.config.as_deref().map_or_else(|| Ok(Config::built_in()), Config::load)?;
    if let Some(workers) = args.workers {
        config.workers = workers.into();
    }
    args.log.start();
    serve(&config, args.config.as_deref().map(|path| path.display().to_string()).as_deref())
}

/// Serves `config`; returns when a signal has ended it and what was accepted is finished, or `limits.drain` is over.
///
/// # Errors
/// When a ring cannot be built, an address cannot be listened on or a thread cannot be made.
fn serve(config: &Config, origin: Option<&str>) -> anyhow::Result<()> {
    let topology = Arc::new(Topology::build(config)?);
    let links: usize = config.pools.iter().map(|pool| pool.nodes.len() * pool.connections).sum();
    control::raise_descriptors(config.limits.connections, links * config.workers);
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(until_signal(config, origin, topology))
}

async fn until_signal(config: &Config, origin: Option<&str>, topology: Arc<Topology>) -> anyhow::Result<()> {
    let listeners = bind(&config.listeners.memcached).await?;
    let hub = Hub::new(config.workers);
    let start = |index| Worker::start(index, topology.clone(), config.limits.clone(), &hub);
    let workers = (0..config.workers).map(start).collect::<Result<Vec<_>, _>>().context("cannot start a worker")?;
    announce(config, origin, &listeners);
    let posts: Vec<Post> = workers.iter().map(Worker::post).collect();
    let accept = |listener| Acceptor::new(listener, posts.clone(), config.limits.connections, hub.clone()).run();
    let acceptors: Vec<_> = listeners.into_iter().map(|listener| tokio::spawn(accept(listener))).collect();
    control::probe_all(&topology);
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
        .map(|pool| format!("{} ({} {} nodes)", pool.name, pool.nodes.len(), pool.protocol.name()))
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
