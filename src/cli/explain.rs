//! `ketch explain`: where keys go, and why.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

use crate::config::{Config, PoolConfig, Route, Word};
use crate::model::Key;
use crate::topology::{label_of, ring_of};

/// The arguments of `ketch explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; without one, the built-in configuration is explained.
    #[arg(long, env = "KETCH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print a JSON array with an object for each key.
    #[arg(long)]
    json: bool,

    /// The keys, as clients send them.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<OsString>,
}

/// Explains each key.
///
/// # Errors
/// When the configuration is not valid, or a key is none.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let config = args.config.as_deref().map_or_else(|| Ok(Config::built_in()), Config::load)?;
    let mut explained = Vec::new();
    for key in &args.keys {
        let key = Key::new(key.as_bytes()).with_context(|| format!("\"{}\"", key.display()))?;
        explained.push(explain(&config, key.as_bytes())?);
    }
    match args.json {
        true => super::print(&format!("{}\n", serde_json::to_string_pretty(&explained)?)),
        false => super::print(&explained.iter().map(text).collect::<Vec<_>>().join("\n")),
    }
}

/// Everything that decides where one key goes.
#[derive(Debug, Serialize)]
struct Explained {
    key: String,
    /// The routes that the key matches, the one that is taken first.
    routes: Vec<Match>,
    pool: String,
    placed: Placed,
}

#[derive(Debug, Serialize)]
struct Match {
    prefix: String,
    pool: String,
}

#[derive(Debug, Serialize)]
struct Placed {
    distribution: &'static str,
    hash_name: &'static str,
    /// What of the key is hashed; `None` in a pool of one node, which hashes nothing.
    hashed: Option<String>,
    hash: Option<u64>,
    /// Where the distribution has points.
    point: Option<u32>,
    owner: Node,
    /// Who is asked if all before are out, in this order.
    next: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Node {
    label: String,
    /// `None` for an embedded one.
    address: Option<String>,
}

fn explain(config: &Config, key: &[u8]) -> anyhow::Result<Explained> {
    let mut routes: Vec<&Route> = config.routes.iter().filter(|route| key.starts_with(&route.prefix)).collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
    let pool = |route: &Route| config.pools.get(route.pool).context("a route leads to no pool");
    let taken = pool(routes.first().context("no route takes the key")?)?;
    let matched = |route: &&Route| Ok(Match { prefix: lossy(&route.prefix), pool: pool(route)?.name.clone() });
    let routes = routes.iter().map(matched).collect::<anyhow::Result<_>>()?;
    Ok(Explained { key: lossy(key), routes, pool: taken.name.clone(), placed: place(taken, key)? })
}

fn place(pool: &PoolConfig, key: &[u8]) -> anyhow::Result<Placed> {
    let ring = ring_of(pool)?;
    let hash = ring.hash(key);
    let hashes = ring.len() > 1;
    let node = |index: usize| Node {
        label: label_of(pool, &pool.nodes[index]),
        address: pool.nodes[index].endpoint.as_ref().map(ToString::to_string),
    };
    Ok(Placed {
        distribution: pool.placement.distribution.name(),
        hash_name: pool.placement.hash.name(),
        hashed: hashes.then(|| lossy(ring.subject(key))),
        hash: hashes.then_some(hash),
        point: ring.point(hash),
        owner: node(ring.owner(hash)),
        next: ring.walk(hash).skip(1).map(node).collect(),
    })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text(explained: &Explained) -> String {
    let route = |route: &Match| match route.prefix.as_str() {
        "" => format!("the rest -> {}", route.pool),
        prefix => format!("\"{prefix}\" -> {}", route.pool),
    };
    let routes = explained.routes.iter().map(route).collect::<Vec<_>>().join(", then ");
    let head = format!("{}\n  routes  {routes}\n  pool    {}\n", explained.key, explained.pool);
    let placed = &explained.placed;
    let how = match (&placed.hashed, placed.hash) {
        (Some(hashed), Some(hash)) => {
            let hash = format!("  hashed  \"{hashed}\"\n  hash    {hash} by {}\n", placed.hash_name);
            let point = placed.point.map(|point| format!("{point} ")).unwrap_or_default();
            format!("{hash}  point   {point}by {}\n", placed.distribution)
        }
        _ => "  hashed  nothing: the only node has every key\n".to_owned(),
    };
    let next = placed.next.iter().map(node_text).collect::<Vec<_>>().join(", then ");
    let next = if next.is_empty() { "nobody".to_owned() } else { next };
    head + &how + &format!("  owner   {}\n  if out  {next}\n", node_text(&placed.owner))
}

/// The label, and the address where it is not the same.
fn node_text(node: &Node) -> String {
    match &node.address {
        Some(address) if *address != node.label => format!("{} ({address})", node.label),
        _ => node.label.clone(),
    }
}
