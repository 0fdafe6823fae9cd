//! The answers to `stats`, under memcached's names where they mean the same.

use std::fmt::{Display, Write};
use std::time::SystemTime;

use super::worker::Station;
use crate::metrics::{Command, Outcome, Refusal};

use Command::{Add, Append, Cas, Decr, Delete, FlushAll, Gat, Get, Incr, Ma, Md, Mg, Ms, Prepend, Replace, Set, Touch};
use Outcome::{Done, Exists, Failed, Hit, Miss, NotFound, NotStored, Refused, Stored};

/// The lines of `stats` with this argument, line ends included.
pub(super) fn statistics(argument: &[u8], station: &Station) -> String {
    let mut lines = Lines::default();
    match argument {
        b"" => general(&mut lines, station),
        b"settings" => settings(&mut lines, station),
        b"ketch" => ketch(&mut lines, station),
        b"items" | b"slabs" | b"sizes" | b"conns" => {}
        b"reset" => return "RESET\r\n".to_owned(),
        _ => return "ERROR\r\n".to_owned(),
    }
    lines.0 + "END\r\n"
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, name: impl Display, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "STAT {name} {value}\r\n");
    }
}

fn general(lines: &mut Lines, station: &Station) {
    let hub = &station.hub;
    let totals = hub.totals();
    let pools = hub.all_pools();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    lines.put("pid", std::process::id());
    lines.put("uptime", hub.started().elapsed().as_secs());
    lines.put("time", now);
    lines.put("version", env!("CARGO_PKG_VERSION"));
    lines.put("pointer_size", usize::BITS);
    lines.put("max_connections", station.limits().connections);
    lines.put("curr_connections", totals.clients);
    lines.put("total_connections", totals.accepted);
    lines.put("rejected_connections", totals.refused);
    let every = [Hit, Miss, Stored, NotStored, Exists, NotFound, Done, Refused, Failed];
    for (name, commands, outcomes) in [
        ("cmd_get", &[Get, Mg, Gat][..], &every[..]),
        ("cmd_set", &[Set, Add, Replace, Append, Prepend, Cas, Ms], &every),
        ("cmd_flush", &[FlushAll], &every),
        ("cmd_touch", &[Touch, Gat], &every),
        ("cmd_meta", &[Mg, Ms, Md, Ma, Command::Me], &every),
        ("get_hits", &[Get, Mg, Gat], &[Hit]),
        ("get_misses", &[Get, Mg, Gat], &[Miss]),
        ("delete_hits", &[Delete, Md], &[Done]),
        ("delete_misses", &[Delete, Md], &[NotFound]),
        ("incr_hits", &[Incr, Ma], &[Done]),
        ("incr_misses", &[Incr, Ma], &[NotFound]),
        ("decr_hits", &[Decr], &[Done]),
        ("decr_misses", &[Decr], &[NotFound]),
        ("cas_hits", &[Cas], &[Stored]),
        ("cas_badval", &[Cas], &[Exists]),
        ("cas_misses", &[Cas], &[NotFound]),
        ("touch_hits", &[Touch], &[Done]),
        ("touch_misses", &[Touch], &[NotFound]),
    ] {
        lines.put(name, pools.sum(commands, outcomes));
    }
    lines.put("bytes_read", totals.bytes_read);
    lines.put("bytes_written", totals.bytes_written);
    lines.put("threads", hub.workers());
}

fn settings(lines: &mut Lines, station: &Station) {
    let limits = station.limits();
    lines.put("maxconns", limits.connections);
    lines.put("item_size_max", limits.value_size);
    lines.put("num_threads", station.hub.workers());
    lines.put("cas_enabled", "yes");
    lines.put("binding_protocol", "ascii");
    lines.put("idle_timeout", limits.client_idle.unwrap_or_default().as_secs());
    lines.put("client_buffer", limits.client_buffer);
    lines.put("memory", limits.memory);
}

/// What only ketch has: its pools and their nodes.
fn ketch(lines: &mut Lines, station: &Station) {
    let counted = station.hub.pools();
    for pool in station.view().topology().pools() {
        let name = pool.name();
        lines.put(format_args!("{name}:nodes"), pool.nodes().len());
        if let Some(totals) = counted.get(name) {
            lines.put(format_args!("{name}:get_hits"), totals.sum(&[Get, Mg, Gat], &[Hit]));
            lines.put(format_args!("{name}:get_misses"), totals.sum(&[Get, Mg, Gat], &[Miss]));
            lines.put(format_args!("{name}:coalesced"), totals.coalesced());
            for kind in crate::model::FailureKind::ALL {
                lines.put(format_args!("{name}:failed_{}", kind.label()), totals.failed(kind));
            }
            for reason in Refusal::ALL {
                lines.put(format_args!("{name}:refused_{}", reason.label()), totals.refused(*reason));
            }
        }
        for (node, share) in pool.nodes().iter().zip(pool.ring().shares()) {
            lines.put(format_args!("{name}:{}:share", node.name), format_args!("{share:.6}"));
        }
    }
}
