//! `ketch explain`: where keys go, and why.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::Context;

use crate::config::Config;
use crate::model::Key;
use crate::ring::SLOTS;
use crate::topology::explain::{Explained, Match, Node, Placed, explain};

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
    let Some(owner) = &placed.owner else { return head + &cluster_text(placed) };
    let next = placed.next.iter().map(node_text).collect::<Vec<_>>().join(", then ");
    let next = if next.is_empty() { "nobody".to_owned() } else { next };
    head + &how + &format!("  owner   {}\n  if out  {next}\n", node_text(owner))
}

/// Only the cluster knows who has a slot, and explaining asks nobody.
fn cluster_text(placed: &Placed) -> String {
    let hashed = placed.hashed.as_deref().unwrap_or_default();
    let (hash, slot) = (placed.hash.unwrap_or_default(), placed.slot.unwrap_or_default());
    format!(
        "  hashed  \"{hashed}\"\n  hash    {hash} by {}\n  slot    {slot} of {SLOTS}\n  owner   the server of the cluster \
         that has this slot; `redis-cli cluster slots` tells which\n",
        placed.hash_name
    )
}

fn node_text(node: &Node) -> String {
    super::named(&node.label, node.address.as_deref())
}
