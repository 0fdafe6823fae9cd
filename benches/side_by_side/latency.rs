//! How long an answer takes when there is little to do.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::cores::Cores;
use crate::figures::{Spread, quantile};
use crate::load::Load;
use crate::options::Options;
use crate::report::Report;
use crate::rows;
use crate::script::{Ask, Script};
use crate::subject::{Kind, Subject};
use crate::trial::Field;

/// For `--rows`.
pub const NAME: &str = "latency";

pub const HEAD: &str = "
Latency of get at a tenth of what the slowest of them can do, proxy on cores of its own, µs: median (least–greatest)

| program | at most, a second | asked, a second | p50 | p99 | p99.9 | p99 / twemproxy's | target |
|---|---|---|---|---|---|---|---|
";

const CONNECTIONS: usize = 50;
const SHARE: f64 = 0.1;
const TRIES: usize = 3;

/// One program's.
#[derive(Serialize)]
pub struct Latency {
    kind: Kind,
    /// Operations a second that it can do here, with servers and load on the cores left.
    capacity: f64,
    /// Requests a second for the times below.
    rate: f64,
    /// p50, p99 and p99.9 in microseconds, over the rounds.
    quantiles: Vec<Spread>,
    /// p99 over twemproxy's in the same round.
    p99_to_twemproxy: Option<Spread>,
}

/// Measures every program in turn at the same rate.
///
/// # Errors
///
/// When one gives a wrong answer; too few cores, or a program that does not start, are noted instead.
pub fn measure(options: &Options, folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let cores = match Cores::apart(options.workers) {
        Ok(cores) => cores,
        Err(error) => {
            report.not_measured(format!("{NAME}: {error:#}"));
            return Ok(());
        }
    };
    cores.pin_load()?;
    let field = Field::start(&cores, options.workers, folder, report)?;
    let script = || Script::new(Ask::Get, 10_000, 100);
    let open = |subject: &Subject| Load::open(&subject.tcp, script(), CONNECTIONS, 1);
    let mut capacities = Vec::new();
    for subject in &field.subjects {
        Load::store(&subject.tcp, &script()).with_context(|| subject.kind.name())?;
        capacities.push(capacity(open(subject)?, options)?);
    }
    let rate = SHARE * capacities.iter().copied().fold(f64::INFINITY, f64::min);
    let gap = Duration::from_secs_f64(1.0 / rate);
    let mut rounds: Vec<Vec<[f64; 3]>> = field.subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        eprintln!("{NAME}: round {} of {}", round + 1, options.rounds);
        for (subject, rounds) in field.subjects.iter().zip(&mut rounds) {
            let mut load = open(subject)?;
            load.run_by_the_clock(gap, options.warm_up())?;
            let times = load.run_by_the_clock(gap, options.interval()).with_context(|| subject.kind.name())?;
            rounds.extend(quantiles(times));
        }
    }
    let twemproxy = field.subjects.iter().position(|subject| subject.kind == Kind::Twemproxy);
    for ((subject, own), capacity) in field.subjects.iter().zip(&rounds).zip(capacities) {
        let quantiles = (0..3).filter_map(|index| Spread::of(own.iter().map(|round| round[index]))).collect();
        let pairs = twemproxy.map(|index| own.iter().zip(&rounds[index]));
        let p99_to_twemproxy = pairs.and_then(|pairs| Spread::of(pairs.map(|(own, other)| own[1] / other[1])));
        report.add_latency(Latency { kind: subject.kind, capacity, rate, quantiles, p99_to_twemproxy });
    }
    Ok(())
}

/// Operations a second under a closed loop: the best of some tries, since a busy neighbour only takes away.
fn capacity(mut load: Load, options: &Options) -> anyhow::Result<f64> {
    load.run(options.warm_up())?;
    let mut most = 0;
    for _ in 0..TRIES {
        most = most.max(load.run(options.interval())?);
    }
    load.drain()?;
    Ok(most as f64 / options.interval().as_secs_f64())
}

fn quantiles(mut times: Vec<Duration>) -> Option<[f64; 3]> {
    times.sort_unstable();
    let at = |part| quantile(&times, part).map(|time| time.as_secs_f64() * 1e6);
    Some([at(0.5)?, at(0.99)?, at(0.999)?])
}

impl Latency {
    pub fn line(&self) -> String {
        let shown = |Spread { median, least, greatest }: &Spread| format!("{median:.0} ({least:.0}–{greatest:.0})");
        let quantiles: Vec<String> = self.quantiles.iter().map(shown).collect();
        let (name, quantiles) = (self.kind.name(), quantiles.join(" | "));
        let ratio = self.p99_to_twemproxy.map_or("–".to_owned(), |ratio| ratio.to_string());
        let verdict = match self.p99_to_twemproxy {
            Some(ratio) if self.kind == Kind::Ketch => rows::verdict(1.0, ratio),
            _ => String::new(),
        };
        format!("| {name} | {:.0} | {:.0} | {quantiles} | {ratio} | {verdict} |\n", self.capacity, self.rate)
    }
}
