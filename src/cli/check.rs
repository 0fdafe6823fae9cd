//! `ketch check`: what a configuration comes to, or all that is wrong with it.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, PoolConfig, Word, counted, size};
use crate::model::{Compatibility, Endpoint};
use crate::topology::{label_of, ring_of};

/// The arguments of `ketch check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Checks the file and prints a summary.
///
/// # Errors
/// With all that is wrong with the file.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(&args.file)?;
    let summary = summary(&config)?;
    super::print(&format!("{} is valid\n\n{summary}", args.file.display()))
}

fn summary(config: &Config) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "workers    {}", config.workers)?;
    writeln!(text, "memcached  {}", addresses(&config.listeners.memcached))?;
    writeln!(text, "http       {}", addresses(&config.listeners.http))?;
    writeln!(text, "admin      {}", addresses(config.admin.as_slice()))?;
    let limits = &config.limits;
    let idle = limits.client_idle.map_or("never".to_owned(), time);
    writeln!(text, "limits     {} connections, values of {}", limits.connections, bytes(limits.value_size))?;
    writeln!(text, "           {} of replies a client, {} in all", bytes(limits.client_buffer), bytes(limits.memory))?;
    writeln!(text, "           silent clients closed: {idle}, drain {}", time(limits.drain))?;
    for pool in &config.pools {
        text += &pool_summary(pool)?;
    }
    text += "\nroutes\n";
    for route in &config.routes {
        let prefix = match route.prefix.as_slice() {
            [] => "the rest".to_owned(),
            prefix => format!("\"{}\"", String::from_utf8_lossy(prefix)),
        };
        writeln!(text, "  {prefix} -> {}", config.pools[route.pool].name)?;
    }
    for (index, pool) in config.pools.iter().enumerate() {
        if config.routes.iter().all(|route| route.pool != index) {
            writeln!(text, "  nothing -> {}: no route leads to this pool", pool.name)?;
        }
    }
    Ok(text)
}

fn pool_summary(pool: &PoolConfig) -> anyhow::Result<String> {
    if pool.protocol.places_keys() {
        return Ok(cluster_summary(pool));
    }
    let mut text = format!("\npool {}: {}, {}", pool.name, pool.protocol.name(), counted(pool.nodes.len(), "node"));
    let placement = &pool.placement;
    write!(text, ", {} over {}", placement.distribution.name(), placement.hash.name())?;
    if placement.compatibility != Compatibility::None {
        write!(text, ", as {}", placement.compatibility.name())?;
    }
    text.push('\n');
    for (node, share) in pool.nodes.iter().zip(ring_of(pool)?.shares()) {
        let label = label_of(pool, node);
        let place = node.endpoint.as_ref().map_or_else(|| bytes(pool.memory), Endpoint::to_string);
        writeln!(
            text,
            "  {}, weight {}, {:.1} % of the keys",
            super::named(&label, Some(&place)),
            node.weight,
            share * 100.0
        )?;
    }
    Ok(text)
}

/// A cluster places the keys by its slots, and knows more servers than are named here.
fn cluster_summary(pool: &PoolConfig) -> String {
    let seeds = pool.nodes.iter().filter_map(|node| node.endpoint.as_ref());
    let seeds: Vec<_> = seeds.map(|seed| format!("  {seed}, asked for the others\n")).collect();
    let (name, protocol, count) = (&pool.name, pool.protocol.name(), counted(seeds.len(), "seed"));
    format!("\npool {name}: {protocol}, {count}; the cluster places the keys, by its slots\n{}", seeds.concat())
}

fn addresses(endpoints: &[Endpoint]) -> String {
    match endpoints {
        [] => "none".to_owned(),
        _ => endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn bytes(bytes: usize) -> String {
    size(bytes as u64)
}

fn time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
