//! Two workers on two cores beside one worker, and beside two programs of one worker each, which share the kernel and
//! nothing else: what those lose, no proxy can keep.
//!
//! Load and servers would need cores of their own not to be the limit. Here they are not: they stand still while ketch
//! works, and each worker has as many clients as the row says. In each burst ketch is stopped while the load puts its requests into the sockets; goes on alone, until all
//! that it sends to the servers is sent; stands still while these answer; and goes on alone, until every answer is in
//! the clients' sockets. So both workers have a core each, and what is between them (locks, caches, the kernel) shows.
//!
//! The time of a burst is that of its busier worker, by the kernel's own count of when the thread ran. How long threads
//! waited for a core, which no other process should have made them, is told beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::cores::Cores;
use crate::figures::Spread;
use crate::load::Load;
use crate::options::Options;
use crate::process::Process;
use crate::report::Report;
use crate::rows::{self, Row};
use crate::subject::{self, Subject};

/// For `--rows`.
pub const NAME: &str = "scaling";

pub const HEAD: &str = "
One worker beside two on two cores, with as many clients for each; load and servers stand still meanwhile: median
(least–greatest). The limit is what two programs of one worker each come to

| load | one, µs an operation | two: the busier, µs an operation | two: both together, µs | times as fast | the limit | waited for a core | target |
|---|---|---|---|---|---|---|---|
";

const NODES: usize = 4;
const ROWS: [&str; 2] = ["get-200", "get-50-pipe-8"];
const WORKERS: usize = 2;
/// Bursts of a turn. One takes about a millisecond of ketch's time.
const BURSTS: usize = 40;
/// Ketch, or a server, has done what it can when it did not run for so long.
const QUIET: Duration = Duration::from_millis(3);
/// Times that servers and ketch have their turn before a burst must be over.
const TURNS: usize = 50;
/// Servers that stand still are not to be put out for it.
const PATIENT: &str = "    request_timeout: 1m\n    health: { probe_interval: 1h }\n";
const TARGET: f64 = 1.6;

/// One load's.
#[derive(Serialize)]
pub struct Scaling {
    load: &'static str,
    /// With one worker, with two, and with two programs, round by round.
    rounds: Vec<[Work; 3]>,
}

/// For each operation, in microseconds.
#[derive(Clone, Copy, Default, Serialize)]
struct Work {
    /// Of the busier worker.
    busier: f64,
    /// Of all workers.
    together: f64,
    /// How long the worker that waited more was ready and had no core.
    waited: f64,
}

/// One ketch or several, over the same servers; they or the servers run.
struct Team {
    ketches: Vec<Subject>,
    workers: Vec<PathBuf>,
}

/// Measures one worker and two in turn.
///
/// # Errors
///
/// A wrong answer. Too few cores, or a program that does not start, are noted instead.
pub fn measure(options: &Options, folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let cores = match Cores::shared(WORKERS) {
        Ok(cores) => cores,
        Err(error) => {
            report.not_measured(format!("{NAME}: {error:#}"));
            return Ok(());
        }
    };
    cores.pin_load()?;
    let (nodes, addresses): (Vec<Process>, Vec<_>) = (0..NODES)
        .map(|_| subject::memcached(&cores.others, folder))
        .collect::<anyhow::Result<Vec<_>>>()?
        .into_iter()
        .unzip();
    let start = |workers| Subject::ketch(&cores, workers, &addresses, folder, PATIENT);
    let apart = (0..WORKERS).map(|_| start(1)).collect::<anyhow::Result<_>>()?;
    let teams = [Team::new(vec![start(1)?])?, Team::new(vec![start(WORKERS)?])?, Team::new(apart)?];
    for name in ROWS {
        let row = rows::named(name)?;
        Load::store(&teams[0].ketches[0].tcp, &row.script())?;
        let mut rounds = Vec::new();
        for round in 0..options.rounds {
            eprintln!("{NAME}, {name}: round {} of {}", round + 1, options.rounds);
            let mut works = [Work::default(); 3];
            for (team, work) in teams.iter().zip(&mut works) {
                *work = team.turn(&nodes, &row).with_context(|| format!("{NAME}, {name}"))?;
            }
            rounds.push(works);
        }
        report.add_scaling(Scaling { load: row.title, rounds });
    }
    Ok(())
}

impl Team {
    fn new(ketches: Vec<Subject>) -> anyhow::Result<Self> {
        let named = |thread: &Path| std::fs::read_to_string(thread.join("comm")).unwrap_or_default();
        let mut workers = threads(ketches.iter().map(|ketch| &ketch.process))?;
        workers.retain(|thread| named(thread).starts_with("ketch-worker"));
        Ok(Self { ketches, workers })
    }

    fn turn(&self, nodes: &[Process], row: &Row) -> anyhow::Result<Work> {
        let width = row.connections * self.workers.len();
        let each = width / self.ketches.len();
        let open = |ketch: &Subject| Load::open(&ketch.tcp, row.script(), each, row.depth);
        let mut loads = self.ketches.iter().map(open).collect::<anyhow::Result<Vec<_>>>()?;
        self.burst(nodes, &mut loads)?; // buffers grow
        let bursts = (0..BURSTS).map(|_| self.burst(nodes, &mut loads)).collect::<anyhow::Result<Vec<_>>>()?;
        let operations = (width * row.depth) as f64 * loads[0].operations() as f64;
        // Of all bursts the middle one: another process disturbs some of them.
        let median = |of: fn(&Work) -> f64| Spread::of(bursts.iter().map(of)).map_or(0.0, |spread| spread.median);
        Ok(Work {
            busier: median(|work| work.busier) / operations,
            together: median(|work| work.together) / operations,
            waited: median(|work| work.waited) / operations,
        })
    }

    /// One request, or as many as the depth is, on every connection; in microseconds.
    fn burst(&self, nodes: &[Process], loads: &mut [Load]) -> anyhow::Result<Work> {
        let node_threads = threads(nodes)?;
        self.halt()?;
        nodes.iter().try_for_each(Process::halt)?;
        loads.iter_mut().try_for_each(Load::ask)?;
        let mut work = Work::default();
        for _ in 0..TURNS {
            let before = clocks(&self.workers)?;
            self.go_on()?;
            settle(&self.workers)?;
            self.halt()?;
            work += Work::between(&before, &clocks(&self.workers)?);
            let owed = loads.iter_mut().map(Load::hear).sum::<anyhow::Result<usize>>()?;
            if owed == 0 {
                self.go_on()?;
                return nodes.iter().try_for_each(Process::go_on).map(|()| work);
            }
            nodes.iter().try_for_each(Process::go_on)?;
            settle(&node_threads)?;
            nodes.iter().try_for_each(Process::halt)?;
        }
        anyhow::bail!("a burst was not over after {TURNS} turns");
    }

    fn halt(&self) -> anyhow::Result<()> {
        self.ketches.iter().try_for_each(|ketch| ketch.process.halt())
    }

    fn go_on(&self) -> anyhow::Result<()> {
        self.ketches.iter().try_for_each(|ketch| ketch.process.go_on())
    }
}

/// Run time and waiting time of a thread, in nanoseconds.
type Clock = [u64; 2];

impl Work {
    fn between(before: &[Clock], after: &[Clock]) -> Self {
        let since = |which: usize| {
            before.iter().zip(after).map(move |(before, after)| (after[which] - before[which]) as f64 / 1e3)
        };
        Self { busier: since(0).fold(0.0, f64::max), together: since(0).sum(), waited: since(1).fold(0.0, f64::max) }
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.busier += other.busier;
        self.together += other.together;
        self.waited += other.waited;
    }
}

impl Scaling {
    pub fn line(&self) -> String {
        let of = |value: &dyn Fn(&[Work; 3]) -> f64| {
            Spread::of(self.rounds.iter().map(value)).map_or("–".to_owned(), |spread| spread.to_string())
        };
        let faster = |works: &[Work; 3]| works[0].busier / works[1].busier;
        let verdict = match Spread::of(self.rounds.iter().map(faster)) {
            Some(spread) if spread.least >= TARGET => "reached",
            Some(spread) if spread.median >= TARGET => "reached by the median",
            _ => "**missed**",
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | ≥ {TARGET}: {verdict} |\n",
            self.load,
            of(&|works| works[0].busier),
            of(&|works| works[1].busier),
            of(&|works| works[1].together),
            of(&faster),
            of(&|works| works[0].busier / works[2].busier),
            of(&|works| works[1].waited)
        )
    }
}

/// Waits until none of `threads` has run for a while.
fn settle(threads: &[PathBuf]) -> anyhow::Result<()> {
    let mut earlier = clocks(threads)?;
    for _ in 0..1000 {
        std::thread::sleep(QUIET);
        let now = clocks(threads)?;
        if now == earlier {
            return Ok(());
        }
        earlier = now;
    }
    anyhow::bail!("it does not come to rest")
}

fn clocks(threads: &[PathBuf]) -> anyhow::Result<Vec<Clock>> {
    threads.iter().map(|thread| clock(thread)).collect()
}

fn clock(thread: &Path) -> anyhow::Result<Clock> {
    let text = std::fs::read_to_string(thread.join("schedstat")).context("a thread is gone")?;
    let mut fields = text.split_whitespace().filter_map(|field| field.parse().ok());
    let clock = [fields.next().unwrap_or(0), fields.next().unwrap_or(0)];
    ensure!(clock[0] > 0, "this kernel has no /proc/PID/schedstat: CONFIG_SCHED_INFO");
    Ok(clock)
}

fn threads<'a>(processes: impl IntoIterator<Item = &'a Process>) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for process in processes {
        let pid = process.id();
        let folder =
            std::fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?;
        for thread in folder {
            all.push(thread?.path());
        }
    }
    Ok(all)
}
