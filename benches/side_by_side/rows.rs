//! The loads: one entry a row of the table.

use anyhow::{Context as _, ensure};

use crate::crowd;
use crate::figures::Spread;
use crate::footprint;
use crate::latency;
use crate::scaling;
use crate::script::{Ask, Script};

/// A load, and what ketch must reach under it.
#[derive(Clone, Copy)]
pub struct Row {
    /// For `--rows`.
    pub name: &'static str,
    pub title: &'static str,
    ask: Ask,
    pub connections: usize,
    /// Requests under way on each connection.
    pub depth: usize,
    keys: usize,
    /// Bytes of a value.
    size: usize,
    pub unix: bool,
    /// The greatest ratio to twemproxy that will do, from DESIGN.md §5 and the issue on speed.
    pub target: Option<f64>,
}

/// What the rows of DESIGN.md §5 have in common.
const PLAIN: Row = Row {
    name: "",
    title: "",
    ask: Ask::Get,
    connections: 50,
    depth: 1,
    keys: 100_000,
    size: 100,
    unix: false,
    target: None,
};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { name: "get-50", title: "get, 50 connections", target: Some(0.75), ..PLAIN },
    Row { name: "get-200", title: "get, 200 connections", connections: 200, target: Some(0.60), ..PLAIN },
    Row { name: "get-50-pipe-8", title: "get, 50 connections, 8 in the pipe", depth: 8, target: Some(0.40), ..PLAIN },
    Row { name: "set-50", title: "set, 50 connections", ask: Ask::Set, target: Some(0.75), ..PLAIN },
    Row { name: "multi-50", title: "get of 50 keys, 20 connections, per key", ask: Ask::MultiGet { keys: 50 }, connections: 20, target: Some(1.0), ..PLAIN },
    Row { name: "mixed-50", title: "90/10 get/set, 50 connections", ask: Ask::Mixed { sets: 10 }, ..PLAIN },
    Row { name: "mg-50", title: "mg, 50 connections", ask: Ask::MetaGet, ..PLAIN },
    Row { name: "unix-50", title: "get, 50 connections, unix socket", unix: true, ..PLAIN },
    Row { name: "get-1000", title: "get, 1,000 connections", connections: 1000, ..PLAIN },
    Row { name: "16k-get", title: "get of 16 KiB, 50 connections", keys: 10_000, size: 16 << 10, target: Some(0.80), ..PLAIN },
    Row { name: "16k-set", title: "set of 16 KiB, 50 connections", ask: Ask::Set, keys: 10_000, size: 16 << 10, target: Some(0.80), ..PLAIN },
    Row { name: "1m-get", title: "get of 1 MiB, 50 connections", keys: 200, size: LARGEST, target: Some(0.80), ..PLAIN },
    Row { name: "1m-get-200", title: "get of 1 MiB, 200 connections", connections: 200, keys: 200, size: LARGEST, target: Some(0.80), ..PLAIN },
    Row { name: "1m-set-200", title: "set of 1 MiB, 200 connections", ask: Ask::Set, connections: 200, keys: 200, size: LARGEST, target: Some(0.80), ..PLAIN },
    Row { name: "1m-set", title: "set of 1 MiB, 50 connections", ask: Ask::Set, keys: 200, size: LARGEST, target: Some(0.80), ..PLAIN },
];

/// As large as a value may be where an item, its header and key included, may have 1 MiB.
const LARGEST: usize = (1 << 20) - 512;

/// What is measured besides rows.
const PARTS: [&str; 4] = [crowd::NAME, footprint::NAME, latency::NAME, scaling::NAME];

impl Row {
    pub fn script(&self) -> Script {
        Script::new(self.ask, self.keys, self.size)
    }

    /// What tells rows apart that need other keys to be stored.
    pub fn data(&self) -> (usize, usize) {
        (self.keys, self.size)
    }

    pub fn is_meta(&self) -> bool {
        matches!(self.ask, Ask::MetaGet)
    }
}

/// The rows that `parts` name, or all.
///
/// # Errors
///
/// When they name nothing that there is.
pub fn chosen(parts: &[String]) -> anyhow::Result<Vec<Row>> {
    let wanted = |row: &Row| {
        parts.iter().any(|part| if part == "targets" { row.target.is_some() } else { row.name.contains(part.as_str()) })
    };
    let rows: Vec<Row> = ROWS.iter().filter(|row| parts.is_empty() || wanted(row)).copied().collect();
    let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    let parts_known = PARTS.iter().any(|name| has(parts, name));
    ensure!(!rows.is_empty() || parts_known, "--rows names none of {}, {}", names.join(", "), PARTS.join(", "));
    Ok(rows)
}

/// What to say of a figure that is to be at most `target`.
pub fn verdict(target: f64, figure: Spread) -> String {
    let word = match figure {
        Spread { greatest, .. } if greatest <= target => "reached",
        Spread { median, .. } if median <= target => "reached by the median",
        _ => "**missed**",
    };
    format!("≤ {target}: {word}")
}

/// The row of this name.
///
/// # Errors
///
/// When there is none.
pub fn named(name: &str) -> anyhow::Result<Row> {
    ROWS.iter().find(|row| row.name == name).copied().with_context(|| format!("no row is called {name}"))
}

/// Whether the part of the run that is no row is wanted too.
pub fn has(parts: &[String], name: &str) -> bool {
    parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()))
}
