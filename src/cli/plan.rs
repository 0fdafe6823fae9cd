//! `ketch plan`: what another configuration would change.

use std::fmt::Write;
use std::path::PathBuf;

use crate::config::Config;
use crate::topology::{Change, NodePlan, Plan, PoolPlan};

/// How many keys are counted where a distribution's moves can only be counted.
const SAMPLES: u32 = 1_000_000;

/// The arguments of `ketch plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file as it is.
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The configuration file as it is to be.
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints what changes from one file to the other.
///
/// # Errors
/// With all that is wrong with either file.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let plan = Plan::between(&Config::load(&args.old)?, &Config::load(&args.new)?, SAMPLES)?;
    match args.json {
        true => super::print(&format!("{}\n", serde_json::to_string_pretty(&plan)?)),
        false => super::print(&text(&plan)?),
    }
}

fn text(plan: &Plan) -> anyhow::Result<String> {
    if plan.is_empty() {
        return Ok("nothing changes\n".to_owned());
    }
    let mut text = String::new();
    for pool in plan.pools.iter().filter(|pool| !pool.is_empty()) {
        pool_text(&mut text, pool)?;
    }
    for route in &plan.routes {
        let prefix = if route.prefix.is_empty() { "the rest".to_owned() } else { format!("\"{}\"", route.prefix) };
        match (&route.before, &route.after) {
            (Some(before), Some(after)) => writeln!(text, "route {prefix}: {before} -> {after}")?,
            (None, Some(after)) => writeln!(text, "route {prefix}: to {after}, new")?,
            (before, _) => writeln!(text, "route {prefix}: to {}, gone", before.as_deref().unwrap_or("nobody"))?,
        }
    }
    for setting in &plan.settings {
        writeln!(text, "{setting}: changes")?;
    }
    for warning in &plan.warnings {
        writeln!(text, "warning: {warning}")?;
    }
    Ok(text)
}

fn pool_text(text: &mut String, pool: &PoolPlan) -> anyhow::Result<()> {
    let is_cluster = pool.nodes.iter().all(|node| node.seed);
    let how = pool.sampled.map_or("by the length of the arcs".to_owned(), |keys| format!("of {keys} keys"));
    match pool.change {
        Change::In => writeln!(text, "pool {}: new", pool.name)?,
        Change::Out => writeln!(text, "pool {}: gone", pool.name)?,
        Change::Stays if is_cluster => writeln!(text, "pool {}: its cluster places the keys, by its slots", pool.name)?,
        Change::Stays => writeln!(text, "pool {}: {} % of the keys move, {how}", pool.name, percent(pool.moves))?,
    }
    for node in &pool.nodes {
        node_text(text, node)?;
    }
    Ok(())
}

fn node_text(text: &mut String, node: &NodePlan) -> anyhow::Result<()> {
    let name = super::named(&node.label, node.address.as_deref());
    let (before, after) = (percent(node.share_before), percent(node.share));
    if node.seed {
        let change = match node.change {
            Change::In => "in   ",
            Change::Out => "out  ",
            Change::Stays => "stays",
        };
        return Ok(writeln!(text, "  {change} {name}, a seed of the cluster")?);
    }
    match node.change {
        Change::In => write!(text, "  in    {name}, {after} % of the keys")?,
        Change::Out => write!(text, "  out   {name}, {before} % of the keys")?,
        Change::Stays => write!(text, "  stays {name}, {before} % -> {after} % of the keys")?,
    }
    if node.gains > 0.0 && node.change == Change::Stays {
        write!(text, ", gets {} %", percent(node.gains))?;
    }
    if node.loses > 0.0 && node.change == Change::Stays {
        write!(text, ", gives {} %", percent(node.loses))?;
    }
    if let (Some(before), Some(after)) = (node.weight_before, node.weight)
        && before != after
    {
        write!(text, ", weight {before} -> {after}")?;
    }
    if let Some(before) = &node.renamed_from {
        write!(text, ", was {before}")?;
    }
    writeln!(text)?;
    Ok(())
}

/// With two places: a plan is right to a tenth of a point or better.
fn percent(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}
