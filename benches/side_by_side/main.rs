//! ketch beside the real nutcracker and a bare memcached: what one operation costs the program under test.
//!
//! ```text
//! cargo bench --bench side_by_side                              every row
//! cargo bench --bench side_by_side -- --rows targets            the rows that have a target
//! cargo bench --bench side_by_side -- --rows get-50,set --rounds 9 --seconds 4 --json out.json
//! cargo bench --bench side_by_side -- --spread --workers 2      proxy, servers and load on cores of their own
//! BENCHED_KETCH=/path/to/ketch cargo bench …                    another build of ketch in place of this one
//! ```
//!
//! # How the figures are made
//!
//! One run starts four memcached (`-t 1`), nutcracker and ketch over these same four, and a fifth memcached that is
//! asked directly: the limit. Both proxies place keys alike (ketama, fnv1a_64), have one connection to each
//! server and one worker, and are otherwise as they come: 16 KiB mbufs, no ejection, ketch's default limits but for the
//! number of clients. Every
//! process, the load generator too, is pinned on one and the same core. So nothing runs at the same time as the
//! program under test, a busy neighbour slows all of them alike, and the ratio holds where a time on the clock would
//! not.
//!
//! The load is a closed loop: each connection keeps as many requests under way as the row says, over keys drawn at
//! random out of those stored before through the same program. *Every byte of every answer* is compared; one wrong byte
//! ends the run with an error.
//!
//! The figure is the run time (user and system) that the kernel's scheduler counted for all threads of the program
//! under test, `/proc/PID/task/*/schedstat` in nanoseconds, over the operations that were answered meanwhile. A round
//! measures each program in turn, A B C A B C; a ratio is taken within a round, and the table has its median, least
//! and greatest. Wake-ups are the voluntary context switches over the same interval.
//!
//! System calls are counted in a run of their own, which is not timed: by `perf trace -s`, or by `strace -c`
//! where perf may not trace. A traced program is slower and so finds more work at each turn: strace, the heavier, gives
//! figures that are too low.
//!
//! The most memory is the kernel's high-water mark of a turn. `SERVER_ERROR` is not a wrong answer but a refusal: it is
//! counted, told, and no operation.
//!
//! Besides rows: `crowd` (5,000 connections, most of them silent), `footprint` (memory, time to the first answer), `latency`
//! and `scaling` (two workers beside one; the load stands still while ketch works, see there).
//!
//! Latency has an open loop at a tenth of what the slowest program of the row can do, with the proxy on a core of its
//! own; requests leave by the clock, whether or not earlier ones were answered.
//!
//! # What they do not show
//!
//! - A network. On loopback the receiver's half of TCP runs within the sender's `send` and is charged to the sender.
//! - Interrupts, which the kernel charges to whoever runs (all alike on one core).
//! - The most that a program can do with many cores, nor what contention for caches costs it (`--spread` shows some).
//! - Skewed keys, misses and joined reads: 100,000 keys at random leave ketch's coalescing nothing to join.
//! - Time on the clock under full load: on one core that is the time of all processes together.

#![allow(missing_docs, reason = "a program, not a library")]

mod calls;
mod connection;
mod cores;
mod crowd;
mod figures;
mod footprint;
mod latency;
mod load;
mod machine;
mod options;
mod process;
mod report;
mod rows;
mod scaling;
mod script;
mod subject;
mod trial;
mod usage;

use anyhow::Context as _;
use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    let options = options::Options::parse();
    let rows = rows::chosen(&options.rows)?;
    rlimit::increase_nofile_limit(65_536).context("cannot raise the limit of open files")?;
    let mut report = report::Report::new(&options)?;
    let outcome = trial::run(&options, &rows, &mut report);
    // What was measured before a failure is worth seeing.
    print!("{}", report.text());
    if let Some(path) = &options.json {
        std::fs::write(path, report.json()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    outcome
}
