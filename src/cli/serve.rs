//! `ketch`: serves until a signal ends it.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, sleep};

use super::log;
use crate::config::{Config, Word, counted};
use crate::control::{self, Dial, Loaded, Publisher, Scope, Source, Stage, Supervisor, admin};
use crate::front::{Acceptor, Post, Speech, Worker};
use crate::metrics::Hub;
use crate::net::{Address, Doors, Opening, Purpose};
use crate::topology::{Current, Draft};

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
    let source = Source { path: args.config.clone(), workers: args.workers.map(usize::from) };
    let loaded = source.load()?;
    let dial = args.log.start();
    serve(source, &loaded, dial)
}

/// Serves `loaded`, and what its source comes to say; returns when a signal has ended it and what was accepted is
/// finished, or `limits.drain` is over.
///
/// # Errors
/// When a ring cannot be built, an address cannot be listened on or a thread cannot be made.
fn serve(source: Source, loaded: &Loaded, dial: Dial) -> anyhow::Result<()> {
    let current = Current::new(Draft::build(&Arc::new(loaded.config.clone()), None)?);
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(until_signal(source, loaded, current, dial))
}

async fn until_signal(source: Source, loaded: &Loaded, current: Current, dial: Dial) -> anyhow::Result<()> {
    let config = &loaded.config;
    let origin = source.path.as_deref().map(|path| path.display().to_string());
    let hub = Hub::new(config.workers);
    let start = |index| Worker::start(index, &current, &hub);
    let workers = (0..config.workers).map(start).collect::<Result<Vec<_>, _>>().context("cannot start a worker")?;
    let posts: Vec<Post> = workers.iter().map(Worker::post).collect();
    let looking = posts.clone();
    let (publisher, reloader) = Publisher::new(source, loaded, current.clone()).context("cannot wait for SIGHUP")?;
    let scope = Scope::new(hub.clone(), current.clone(), reloader);
    let pages = Rc::new(admin::Pages::new(scope.clone(), dial)?);
    let doors = doors(posts.clone(), current.clone(), hub.clone(), pages);
    let mut house = House { doors, posts, supervisor: Supervisor::from_environment() };
    let opening = house.prepare(config).await?;
    house.commit(opening).await;
    announce(config, origin.as_deref(), &house.doors);
    tokio::task::spawn_local(control::probe_all(current.clone()));
    tokio::task::spawn_local(control::sweep(current.clone()));
    tokio::task::spawn_local(control::close_windows(current.clone(), move || looking.iter().for_each(Post::look)));

    let signal = tokio::select! {
        signal = control::ended() => signal.context("cannot wait for signals")?,
        never = publisher.run(&mut house) => match never {},
    };
    house.supervisor.stopping();
    scope.drain();
    tracing::info!(signal, clients = hub.totals().clients, "draining");
    // The admin address stays to the end: it tells that ketch is about to.
    house.doors.shut(|purpose| purpose != Door::Admin).await;
    drain(&workers, current.topology().config().limits.drain).await;
    tracing::info!("ended");
    Ok(())
}

/// What is behind an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Admin,
    Clients(Speech),
}

impl Purpose for Door {
    fn field(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Clients(speech) => speech.field(),
        }
    }
}

/// Doors to `pages`, and to the workers that have these `posts`.
fn doors(posts: Vec<Post>, current: Current, hub: Hub, pages: Rc<admin::Pages>) -> Doors<Door> {
    Doors::new(move |door, listener, stop| match door {
        Door::Admin => tokio::task::spawn_local(admin::serve(listener, pages.clone(), stop)),
        Door::Clients(speech) => {
            let acceptor = Acceptor::new(listener, speech, posts.clone(), current.clone(), hub.clone());
            tokio::spawn(acceptor.run(stop))
        }
    })
}

/// Where `config` wants to listen; who is served can be looked at, so the admin address comes first.
fn addresses(config: &Config) -> Vec<Address<Door>> {
    let admin = config.admin.iter().map(|endpoint| (Door::Admin, endpoint));
    let memcached = config.listeners.memcached.iter().map(|endpoint| (Door::Clients(Speech::Memcached), endpoint));
    let http = config.listeners.http.iter().map(|endpoint| (Door::Clients(Speech::Http), endpoint));
    admin.chain(memcached).chain(http).map(|(door, endpoint)| (door, endpoint.clone())).collect()
}

/// What follows the configuration beside the topology.
struct House {
    doors: Doors<Door>,
    posts: Vec<Post>,
    supervisor: Supervisor,
}

impl Stage for House {
    type Ready = Opening<Door>;

    async fn prepare(&mut self, config: &Config) -> anyhow::Result<Opening<Door>> {
        raise_descriptors(config);
        Ok(self.doors.prepare(&addresses(config)).await?)
    }

    async fn commit(&mut self, opening: Opening<Door>) {
        self.doors.commit(opening).await;
        self.posts.iter().for_each(Post::look);
        // The first time too: who is not ready yet takes only the second of its two words.
        self.supervisor.reloaded();
    }
}

fn raise_descriptors(config: &Config) {
    let links: usize = config.pools.iter().map(|pool| pool.nodes.len() * pool.connections).sum();
    control::raise_descriptors(config.limits.connections, links * config.workers);
}

/// One line that says what listens, what is behind it, and how to change that.
fn announce(config: &Config, origin: Option<&str>, doors: &Doors<Door>) {
    let listening = |door| match doors.endpoints(door).map(ToString::to_string).collect::<Vec<_>>().join(" ") {
        none if none.is_empty() => "off".to_owned(),
        addresses => addresses,
    };
    let pools: Vec<_> = config
        .pools
        .iter()
        .map(|pool| format!("{} ({})", pool.name, counted(pool.nodes.len(), &format!("{} node", pool.protocol.name()))))
        .collect();
    tracing::info!(
        memcached = listening(Door::Clients(Speech::Memcached)),
        http = listening(Door::Clients(Speech::Http)),
        admin = listening(Door::Admin),
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
