//! What is printed and written at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::calls::Calls;
use crate::cores::Cores;
use crate::crowd::{self, Crowd};
use crate::figures::Spread;
use crate::footprint::{self, Footprint};
use crate::latency::{self, Latency};
use crate::machine::Machine;
use crate::options::Options;
use crate::rows::{self, Row};
use crate::scaling::{self, Scaling};
use crate::subject::Kind;

const COST_HEAD: &str = "\
Processor time for each operation, µs: median (least–greatest)

| load | twemproxy | a bare server | ketch | ketch / twemproxy | target |
|---|---|---|---|---|---|
";
const CALLS_HEAD: &str = "
Wake-ups and system calls for each operation; the most memory resident in a turn, requests refused in all turns

| load | program | MiB | refused | wake-ups | calls | of these |
|---|---|---|---|---|---|---|
";

/// Every figure of a run.
#[derive(Serialize)]
pub struct Report {
    machine: Machine,
    conditions: String,
    rows: Vec<RowReport>,
    footprints: Vec<Footprint>,
    latencies: Vec<Latency>,
    crowds: Vec<Crowd>,
    scalings: Vec<Scaling>,
    not_measured: Vec<String>,
}

/// The figures of one row.
#[derive(Serialize)]
pub struct RowReport {
    name: &'static str,
    title: &'static str,
    target: Option<f64>,
    subjects: Vec<Figures>,
}

#[derive(Serialize)]
struct Figures {
    kind: Kind,
    turns: BTreeMap<usize, Turn>,
    calls: Option<Calls>,
}

/// One program's turn in one round, for each operation.
#[derive(Clone, Serialize)]
pub struct Turn {
    /// Processor time of the program.
    pub microseconds: f64,
    /// How often the program went to sleep.
    pub sleeps: f64,
    /// Operations in a second on the clock.
    pub rate: f64,
    pub operations: u64,
    /// The most that the program had resident during the turn, in bytes.
    pub peak: u64,
    /// Requests answered with `SERVER_ERROR`, by its words. They are no operations.
    pub refusals: BTreeMap<String, u64>,
}

impl Report {
    /// # Errors
    ///
    /// When the machine lacks the cores that `options` want.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        let cores = Cores::new(options)?;
        let conditions = format!(
            "{} rounds of {:?}; program under test on core {}, servers and load on core {}; ketch with {} worker(s)",
            options.rounds,
            options.interval(),
            cores.subject,
            cores.others,
            options.workers
        );
        Ok(Self {
            machine: Machine::here(),
            conditions,
            rows: Vec::new(),
            footprints: Vec::new(),
            latencies: Vec::new(),
            crowds: Vec::new(),
            scalings: Vec::new(),
            not_measured: Vec::new(),
        })
    }

    pub fn add(&mut self, row: RowReport) {
        self.rows.push(row);
    }

    pub fn add_footprint(&mut self, footprint: Footprint) {
        self.footprints.push(footprint);
    }

    pub fn add_latency(&mut self, latency: Latency) {
        self.latencies.push(latency);
    }

    pub fn add_crowd(&mut self, crowd: Crowd) {
        self.crowds.push(crowd);
    }

    pub fn add_scaling(&mut self, scaling: Scaling) {
        self.scalings.push(scaling);
    }

    /// Notes what has no figure, and why, once.
    pub fn not_measured(&mut self, what: String) {
        if !self.not_measured.contains(&what) {
            self.not_measured.push(what);
        }
    }

    /// # Errors
    ///
    /// None that is known; the writer of JSON may have some.
    pub fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Tables in Markdown.
    pub fn text(&self) -> String {
        let mut text = format!("\n{}{}\n\n", self.machine.text(), self.conditions);
        if !self.rows.is_empty() {
            text += COST_HEAD;
            self.rows.iter().for_each(|row| text += &row.cost_line());
            text += CALLS_HEAD;
            self.rows.iter().for_each(|row| text += &row.call_lines());
        }
        if !self.crowds.is_empty() {
            text += crowd::HEAD;
            self.crowds.iter().for_each(|crowd| text += &crowd.line());
        }
        if !self.footprints.is_empty() {
            text += footprint::HEAD;
            self.footprints.iter().for_each(|footprint| text += &footprint.line());
        }
        if !self.latencies.is_empty() {
            text += latency::HEAD;
            self.latencies.iter().for_each(|latency| text += &latency.line());
        }
        if !self.scalings.is_empty() {
            text += scaling::HEAD;
            self.scalings.iter().for_each(|scaling| text += &scaling.line());
        }
        if !self.not_measured.is_empty() {
            text += "\nNot measured\n\n";
            self.not_measured.iter().for_each(|what| text += &format!("- {what}\n"));
        }
        text
    }
}

impl RowReport {
    pub fn new(row: &Row) -> Self {
        Self { name: row.name, title: row.title, target: row.target, subjects: Vec::new() }
    }

    /// Adds what `kind` did in its turn of `round`.
    pub fn turn(&mut self, round: usize, kind: Kind, turn: Turn) {
        self.figures(kind).turns.insert(round, turn);
    }

    pub fn calls(&mut self, kind: Kind, calls: Calls) {
        self.figures(kind).calls = Some(calls);
    }

    fn figures(&mut self, kind: Kind) -> &mut Figures {
        let index = self.subjects.iter().position(|figures| figures.kind == kind).unwrap_or_else(|| {
            self.subjects.push(Figures { kind, turns: BTreeMap::new(), calls: None });
            self.subjects.len() - 1
        });
        &mut self.subjects[index]
    }

    fn find(&self, kind: Kind) -> Option<&Figures> {
        self.subjects.iter().find(|figures| figures.kind == kind)
    }

    /// ketch over twemproxy, round by round.
    fn ratio(&self) -> Option<Spread> {
        let (ketch, twemproxy) = (self.find(Kind::Ketch)?, self.find(Kind::Twemproxy)?);
        Spread::of(
            ketch
                .turns
                .iter()
                .filter_map(|(round, turn)| Some(turn.microseconds / twemproxy.turns.get(round)?.microseconds)),
        )
    }

    fn cost_line(&self) -> String {
        let cost = |kind| {
            let spread =
                self.find(kind).and_then(|figures| Spread::of(figures.turns.values().map(|turn| turn.microseconds)));
            spread.map_or("–".to_owned(), |spread| spread.to_string())
        };
        let ratio = self.ratio();
        let verdict = match (self.target, ratio) {
            (Some(target), Some(ratio)) => rows::verdict(target, ratio),
            (Some(target), None) => format!("≤ {target}"),
            (None, _) => String::new(),
        };
        format!(
            "| {} | {} | {} | {} | {} | {verdict} |\n",
            self.title,
            cost(Kind::Twemproxy),
            cost(Kind::Bare),
            cost(Kind::Ketch),
            ratio.map_or("–".to_owned(), |spread| spread.to_string())
        )
    }

    fn call_lines(&self) -> String {
        let mut text = String::new();
        for figures in &self.subjects {
            let turns = figures.turns.values();
            let sleeps = Spread::of(turns.clone().map(|turn| turn.sleeps)).map_or(0.0, |spread| spread.median);
            let peak = turns.clone().map(|turn| turn.peak).max().unwrap_or(0) as f64 / f64::from(1 << 20);
            let refused = refused(turns);
            let _ = write!(text, "| {} | {} | {peak:.1} | {refused} | {sleeps:.3} | ", self.title, figures.kind.name());
            let Some(calls) = &figures.calls else {
                text += "– | |\n";
                continue;
            };
            let each: Vec<String> = calls.each.iter().map(|(name, rate)| format!("{name} {rate:.3}")).collect();
            let _ = writeln!(text, "{:.3} | {} ({}) |", calls.total(), each.join(", "), calls.tool);
        }
        text
    }
}

/// How many of how many, and the words; 0 for none.
fn refused<'a>(turns: impl Iterator<Item = &'a Turn> + Clone) -> String {
    let mut by_words = BTreeMap::<&str, u64>::new();
    for (words, count) in turns.clone().flat_map(|turn| &turn.refusals) {
        *by_words.entry(words).or_default() += count;
    }
    let refused: u64 = by_words.values().sum();
    if refused == 0 {
        return "0".to_owned();
    }
    let asked = refused + turns.map(|turn| turn.operations).sum::<u64>();
    let words: Vec<&str> = by_words.into_keys().collect();
    format!("{refused} of {asked}: {}", words.join(", "))
}
