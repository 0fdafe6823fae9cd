//! What many connections cost, most of them silent.

use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::figures::Spread;
use crate::load::Load;
use crate::options::Options;
use crate::report::{Report, Turn};
use crate::rows;
use crate::subject::Kind;
use crate::trial::{Field, at, turn};

/// For `--rows`.
pub const NAME: &str = "crowd";

pub const HEAD: &str = "
5,000 connections, of which 1,000 ask, beside 50 that ask: one get at a time, median (least–greatest). Kept: how much of
the work done with 50 is done with 5,000; by the program alone in a second of processor time, and by all processes
together on the clock

| program | 50, µs | 5,000, µs | kept by the program | kept by all | target |
|---|---|---|---|---|---|
";

/// Connections that have had an answer and are silent since.
const SILENT: usize = 4000;
/// The least share of the work that will do.
const TARGET: f64 = 0.8;

/// One program's, round by round.
#[derive(Serialize)]
pub struct Crowd {
    kind: Kind,
    few: Vec<Turn>,
    many: Vec<Turn>,
}

/// Measures every program in turn.
///
/// # Errors
///
/// When one gives a wrong answer or none.
pub fn measure(field: &mut Field, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let (few, many) = (rows::named("get-50")?, rows::named("get-1000")?);
    let mut crowds: Vec<Crowd> = field.subjects.iter().map(|subject| Crowd::new(subject.kind)).collect();
    for index in 0..field.subjects.len() {
        let address = field.subjects[index].tcp.clone();
        field.store(index, &address, &few)?;
    }
    for round in 0..options.rounds {
        eprintln!("{NAME}: round {} of {}", round + 1, options.rounds);
        for (subject, crowd) in field.subjects.iter().zip(&mut crowds) {
            crowd.few.push(turn(subject, &subject.tcp, &few, options).with_context(|| at(subject, &few))?);
            let mut silent = Load::open(&subject.tcp, many.script(), SILENT, 1)?;
            silent.run(Duration::ZERO)?;
            silent.drain()?;
            crowd.many.push(turn(subject, &subject.tcp, &many, options).with_context(|| at(subject, &many))?);
        }
    }
    crowds.into_iter().for_each(|crowd| report.add_crowd(crowd));
    Ok(())
}

impl Crowd {
    fn new(kind: Kind) -> Self {
        Self { kind, few: Vec::new(), many: Vec::new() }
    }

    pub fn line(&self) -> String {
        let cost = |turns: &[Turn]| shown(Spread::of(turns.iter().map(|turn| turn.microseconds)));
        let pairs = || self.few.iter().zip(&self.many);
        let alone = Spread::of(pairs().map(|(few, many)| few.microseconds / many.microseconds));
        let all = Spread::of(pairs().map(|(few, many)| many.rate / few.rate));
        let verdict = match alone {
            Some(kept) if self.kind == Kind::Ketch && kept.median >= TARGET => format!("≥ {TARGET}: reached"),
            Some(_) if self.kind == Kind::Ketch => format!("≥ {TARGET}: **missed**"),
            _ => String::new(),
        };
        let (few, many) = (cost(&self.few), cost(&self.many));
        format!("| {} | {few} | {many} | {} | {} | {verdict} |\n", self.kind.name(), shown(alone), shown(all))
    }
}

fn shown(spread: Option<Spread>) -> String {
    spread.map_or("–".to_owned(), |spread| spread.to_string())
}
