//! What a program takes before it does much: time to the first answer, and memory.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use crate::cores::Cores;
use crate::figures::Spread;
use crate::load::Load;
use crate::options::Options;
use crate::report::Report;
use crate::script::{Ask, Script};
use crate::subject::{Kind, Subject};
use crate::usage;

/// For `--rows`.
pub const NAME: &str = "footprint";

pub const HEAD: &str = "
From start to the first answer, ms: median (least–greatest); resident memory, and how much each of 1,000 connections adds
(ketch is to need at most 100 ms, 12 MiB idle, and 8 KiB for a connection gone quiet)

| program | first answer | idle, MiB | a connection gone quiet, KiB | a busy connection, KiB | targets |
|---|---|---|---|---|---|
";

/// Targets of DESIGN.md §5: milliseconds, MiB, and KiB.
const FIRST_ANSWER: f64 = 100.0;
const IDLE: f64 = 12.0;
const QUIET_CONNECTION: f64 = 8.0;

const CONNECTIONS: usize = 1000;
/// How long a connection must be quiet for its buffers to be expected back.
const QUIET: Duration = Duration::from_secs(3);

/// One program's.
#[derive(Serialize)]
pub struct Footprint {
    kind: Kind,
    first_answer_ms: Spread,
    /// Bytes, some time after the start, without connections.
    idle: u64,
    /// Bytes that each connection adds when it has had an answer and is silent since.
    quiet_connection: f64,
    /// Bytes that each connection adds while all are asked, one request at a time.
    busy_connection: f64,
}

/// Measures every program, freshly started for this.
///
/// # Errors
///
/// When one gives a wrong answer; one that does not start is noted instead.
pub fn measure(
    cores: &Cores,
    options: &Options,
    nodes: &[SocketAddr],
    folder: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    for kind in Kind::ALL {
        let start = || Subject::start(kind, cores, options.workers, nodes, folder);
        if let Err(error) = start() {
            report.not_measured(format!("{NAME} of {}: {error:#}", kind.name()));
            continue;
        }
        eprintln!("{NAME}: {}", kind.name());
        let footprint = of(kind, options.rounds, start).with_context(|| format!("{NAME} of {}", kind.name()))?;
        report.add_footprint(footprint);
    }
    Ok(())
}

fn of(kind: Kind, rounds: usize, start: impl Fn() -> anyhow::Result<Subject>) -> anyhow::Result<Footprint> {
    let one = Script::new(Ask::Set, 1, 100);
    let first_answer = |_| {
        let began = Instant::now();
        let subject = start()?;
        Load::store(&subject.tcp, &one)?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    let times = (0..rounds.max(1)).map(first_answer).collect::<anyhow::Result<Vec<_>>>()?;

    let subject = start()?;
    let pid = subject.process.id();
    std::thread::sleep(QUIET);
    let idle = usage::resident(pid)?;
    let script = Script::new(Ask::Get, 1000, 100);
    Load::store(&subject.tcp, &script)?;
    let before = usage::resident(pid)?;
    let each = |now: u64| now.saturating_sub(before) as f64 / CONNECTIONS as f64;
    let mut load = Load::open(&subject.tcp, script, CONNECTIONS, 1)?;
    load.run(Duration::ZERO)?;
    load.drain()?;
    std::thread::sleep(QUIET);
    let quiet_connection = each(usage::resident(pid)?);
    load.run(Duration::from_secs(1))?;
    let busy_connection = each(usage::resident(pid)?);
    load.drain()?;
    let first_answer_ms = Spread::of(times).context("no round")?;
    Ok(Footprint { kind, first_answer_ms, idle, quiet_connection, busy_connection })
}

impl Footprint {
    pub fn line(&self) -> String {
        let Spread { median, least, greatest } = self.first_answer_ms;
        let mebibytes = self.idle as f64 / f64::from(1 << 20);
        let (quiet, busy) = (self.quiet_connection / 1024.0, self.busy_connection / 1024.0);
        let verdict = match self.kind {
            Kind::Ketch if median <= FIRST_ANSWER && mebibytes <= IDLE && quiet <= QUIET_CONNECTION => "reached",
            Kind::Ketch => "**missed**",
            _ => "",
        };
        format!(
            "| {} | {median:.1} ({least:.1}–{greatest:.1}) | {mebibytes:.1} | {quiet:.1} | {busy:.1} | {verdict} |\n",
            self.kind.name()
        )
    }
}
