//! A whole run: start everything, give each program its turns, row by row.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::calls::{self, Calls};
use crate::cores::Cores;
use crate::crowd;
use crate::footprint;
use crate::latency;
use crate::load::Load;
use crate::options::Options;
use crate::process::Process;
use crate::report::{Report, RowReport, Turn};
use crate::rows::{self, Row};
use crate::scaling;
use crate::subject::{self, Address, Kind, Subject};
use crate::usage::{self, Usage};

/// Servers behind the proxies.
const NODES: usize = 4;
/// How long the load runs under a tracer.
const TRACED: Duration = Duration::from_millis(500);

/// The programs of a run, with the servers that they stand on.
pub struct Field {
    pub subjects: Vec<Subject>,
    pub addresses: Vec<SocketAddr>,
    stored: HashSet<(u32, (usize, usize))>,
    _nodes: Vec<Process>,
}

/// Measures `rows` and adds what came out to `report`.
///
/// # Errors
///
/// When a program gives a wrong answer or none; one that does not start is noted instead.
pub fn run(options: &Options, rows: &[Row], report: &mut Report) -> anyhow::Result<()> {
    let cores = Cores::new(options)?;
    cores.pin_load()?;
    let folder = tempfile::tempdir()?;
    let mut field = Field::start(&cores, options.workers, folder.path(), report)?;
    for row in rows {
        let measured = field.measure(row, options, folder.path(), report)?;
        report.add(measured);
    }
    if rows::has(&options.rows, footprint::NAME) {
        footprint::measure(&cores, options, &field.addresses, folder.path(), report)?;
    }
    if rows::has(&options.rows, crowd::NAME) {
        crowd::measure(&mut field, options, report)?;
    }
    drop(field);
    if rows::has(&options.rows, latency::NAME) {
        latency::measure(options, folder.path(), report)?;
    }
    if rows::has(&options.rows, scaling::NAME) {
        scaling::measure(options, folder.path(), report)?;
    }
    Ok(())
}

impl Field {
    /// Starts the servers and every program over them.
    ///
    /// # Errors
    ///
    /// When memcached does not start; a subject that does not is noted in `report`.
    pub fn start(cores: &Cores, workers: usize, folder: &Path, report: &mut Report) -> anyhow::Result<Self> {
        let nodes =
            (0..NODES).map(|_| subject::memcached(&cores.others, folder)).collect::<anyhow::Result<Vec<_>>>()?;
        let (nodes, addresses): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        let mut subjects = Vec::new();
        for kind in Kind::ALL {
            match Subject::start(kind, cores, workers, &addresses, folder) {
                Ok(subject) => subjects.push(subject),
                Err(error) => report.not_measured(format!("{}: {error:#}", kind.name())),
            }
        }
        Ok(Self { subjects, addresses, stored: HashSet::new(), _nodes: nodes })
    }

    fn measure(
        &mut self,
        row: &Row,
        options: &Options,
        folder: &Path,
        report: &mut Report,
    ) -> anyhow::Result<RowReport> {
        let mut measured = RowReport::new(row);
        let mut able = Vec::new();
        for (index, subject) in self.subjects.iter().enumerate() {
            match address(subject, row) {
                Ok(address) => able.push((index, address)),
                Err(why) => report.not_measured(format!("{} by {}: {why}", row.title, subject.kind.name())),
            }
        }
        for (index, address) in &able {
            self.store(*index, address, row)?;
        }
        for round in 0..options.rounds {
            eprintln!("{}: round {} of {}", row.name, round + 1, options.rounds);
            for (index, address) in &able {
                let subject = &self.subjects[*index];
                let turn = turn(subject, address, row, options).with_context(|| at(subject, row))?;
                measured.turn(round, subject.kind, turn);
            }
        }
        for (index, address) in &able {
            let subject = &self.subjects[*index];
            match traced(subject, address, row, folder).with_context(|| at(subject, row))? {
                Ok(calls) => measured.calls(subject.kind, calls),
                Err(why) => report.not_measured(format!("system calls of {}: {why:#}", at(subject, row))),
            }
        }
        Ok(measured)
    }

    /// Stores the keys of `row` through the subject, unless it has them.
    ///
    /// # Errors
    ///
    /// When an answer is not `STORED`.
    pub fn store(&mut self, index: usize, address: &Address, row: &Row) -> anyhow::Result<()> {
        let subject = &self.subjects[index];
        if self.stored.insert((subject.process.id(), row.data())) {
            Load::store(address, &row.script()).with_context(|| at(subject, row))?;
        }
        Ok(())
    }
}

/// Where to ask for this row, or why it cannot be asked.
fn address(subject: &Subject, row: &Row) -> Result<Address, &'static str> {
    if let Some(why) = subject.kind.lacks_meta().filter(|_| row.is_meta()) {
        return Err(why);
    }
    if row.unix {
        return subject.unix.clone().ok_or("it listens on a unix socket or on TCP, not on both");
    }
    Ok(subject.tcp.clone())
}

/// One turn: connect, warm up, measure, hear what is owed.
///
/// # Errors
///
/// When the program gives a wrong answer or none.
pub fn turn(subject: &Subject, address: &Address, row: &Row, options: &Options) -> anyhow::Result<Turn> {
    let pid = subject.process.id();
    let mut load = Load::open(address, row.script(), row.connections, row.depth)?;
    load.run(options.warm_up())?;
    load.refusals();
    usage::forget_peak(pid)?;
    let before = Usage::of(pid)?;
    let started = std::time::Instant::now();
    let operations = load.run(options.interval())?;
    let (time, used) = (started.elapsed(), Usage::of(pid)?.since(before));
    let peak = usage::peak(pid)?;
    load.drain()?;
    anyhow::ensure!(operations > 0, "no operation in {time:?}");
    Ok(Turn {
        microseconds: used.run_time as f64 / 1e3 / operations as f64,
        sleeps: used.sleeps as f64 / operations as f64,
        rate: operations as f64 / time.as_secs_f64(),
        operations,
        peak,
        refusals: load.refusals(),
    })
}

/// The system calls, or why there is no tracing here.
///
/// # Errors
///
/// When the load fails: a wrong answer is one under a tracer too.
fn traced(
    subject: &Subject,
    address: &Address,
    row: &Row,
    folder: &Path,
) -> anyhow::Result<Result<Calls, anyhow::Error>> {
    let mut load = Load::open(address, row.script(), row.connections, row.depth)?;
    let mut failed = None;
    let calls = calls::count(subject.process.id(), folder, &mut || {
        let operations = load.run(TRACED).and_then(|operations| Ok(operations + load.drain()?));
        operations.map_err(|error| failed.insert(error).to_string()).map_err(anyhow::Error::msg)
    });
    failed.map_or(Ok(calls), Err)
}

/// For the message of an error.
pub fn at(subject: &Subject, row: &Row) -> String {
    format!("{}, {}{}", subject.kind.name(), row.title, subject.process.last_words())
}
