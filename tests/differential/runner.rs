//! Runs many cases against a real memcached and a subject at once, and tells what came out.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::case::{Case, Cuts, Ending, Word, prefix};
use super::cases::Named;
use super::drive::{End, Transcript, drive};
use super::exceptions::{Subject, difference};
use super::redis;
use super::shrink::shrink;
use super::{generate, malform};
use crate::support::seed;

/// Two servers that must say the same.
#[derive(Clone, Copy)]
pub struct Pair {
    pub real: SocketAddr,
    pub other: SocketAddr,
    pub subject: Subject,
}

/// How many cases, and from which seed.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub cases: u64,
    pub seed: u64,
}

impl Plan {
    /// `KETCH_DIFFERENTIAL_CASES` (else `cases`), from `KETCH_TEST_SEED`.
    pub fn from_environment(cases: u64) -> Self {
        let name = "KETCH_DIFFERENTIAL_CASES";
        let cases = std::env::var(name)
            .map_or(cases, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")));
        Self { cases, seed: seed() }
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The shortest form of each case that failed, with what both sides said.
    pub differences: Vec<(Case, String)>,
    /// Cases that memcached itself answers differently when only the cuts differ.
    pub unrepeatable: Vec<String>,
}

/// In how many places a named case is cut in two.
const MOST_CUTS: usize = 300;
/// One case in so many runs alone on servers of its own.
const ALONE: u64 = 3;
/// After so many differences a run ends early.
const ENOUGH: usize = 8;
/// Cases at once on the shared servers.
const THREADS: u64 = 3;

/// Runs `plan` over `shared`, several cases at once, and a third of it over `alone`, one by one.
pub fn run(plan: Plan, shared: Pair, alone: Pair) -> Outcome {
    let outcome = Mutex::new(Outcome::default());
    let next = AtomicU64::new(0);
    let failures = AtomicUsize::new(0);
    let enough = || failures.load(Ordering::Relaxed) >= ENOUGH;
    std::thread::scope(|scope| {
        for thread in 0..=THREADS {
            let (outcome, next, failures) = (&outcome, &next, &failures);
            let mut numbers: Box<dyn Iterator<Item = u64> + Send> = match thread {
                THREADS => Box::new((0..plan.cases).step_by(ALONE as usize)),
                _ => Box::new(std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed))),
            };
            scope.spawn(move || {
                while let Some(number) = numbers.next().filter(|number| *number < plan.cases && !enough()) {
                    let alone_here = thread == THREADS;
                    if alone_here != (number % ALONE == 0) {
                        continue;
                    }
                    let pair = if alone_here { alone } else { shared };
                    let case = generate::case(plan.seed, number, alone_here);
                    let case = if pair.subject == Subject::Redis { redis::comparable(case) } else { case };
                    let finding = examine(pair, &case);
                    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                    match finding {
                        Finding::Alike => {}
                        Finding::Unrepeatable(report) => outcome.unrepeatable.push(format!("case {number}: {report}")),
                        Finding::Different(case, why) => {
                            failures.fetch_add(1, Ordering::Relaxed);
                            let why = format!("case {number} of seed {}: {why}", plan.seed);
                            outcome.differences.push((case, why));
                        }
                    }
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What one case showed.
pub enum Finding {
    Alike,
    Unrepeatable(String),
    /// The shortest case, and a report of it.
    Different(Case, String),
}

/// Runs one case and, when the two differ, finds out why.
pub fn examine(pair: Pair, case: &Case) -> Finding {
    let (real, other) = (drive(pair.real, case, &case.prefix), drive(pair.other, case, &case.prefix));
    let Some(why) = difference(&real, &other, pair.subject) else {
        return Finding::Alike;
    };
    if !is_repeatable(pair, case) {
        return Finding::Unrepeatable(format!("{why}\n{}", shown(case, &real, &other)));
    }
    if !(0..3).any(|_| differs(pair, case).is_some()) {
        // Not a word of it may be lost: what happens once in a thousand is still a fault.
        let report = format!("{why}; not again when run alone\n{}", shown(case, &real, &other));
        return Finding::Different(case.clone(), report);
    }
    let short = shrink(case.clone(), |candidate| is_repeatable(pair, candidate) && differs(pair, candidate).is_some());
    let report = match differs(pair, &short) {
        Some((why, real, other)) => format!("{why}\n{}", shown(&short, &real, &other)),
        None => format!("{why}; comes and goes\n{}", shown(case, &real, &other)),
    };
    Finding::Different(short, report)
}

/// Whether memcached says the same however the case is cut.
fn is_repeatable(pair: Pair, case: &Case) -> bool {
    let malformed = case.bursts.iter().filter(|burst| burst.ending == Ending::Filler);
    if !malformed.map(|burst| burst.render(&case.prefix, &case.prefix, &[])).all(|bytes| malform::is_repeatable(&bytes))
    {
        return false;
    }
    let run = |cuts| drive(pair.real, &Case { cuts, ..case.clone() }, &fresh());
    let whole = run(Cuts::Nowhere);
    if whole.end == End::Silent {
        return false;
    }
    [case.cuts, Cuts::EveryByte].into_iter().all(|cuts| difference(&whole, &run(cuts), pair.subject).is_none())
}

fn differs(pair: Pair, case: &Case) -> Option<(String, Transcript, Transcript)> {
    let prefix = fresh();
    let (real, other) = (drive(pair.real, case, &prefix), drive(pair.other, case, &prefix));
    difference(&real, &other, pair.subject).map(|why| (why, real, other))
}

/// Says a named case whole, byte by byte, and in two at every place; one report a way that differs.
pub fn check(pair: Pair, named: &Named) -> Vec<String> {
    let length = named.case.bursts[0].render(&named.case.prefix, &named.case.prefix, &[]).len();
    let mut ways = vec![Cuts::Nowhere];
    if named.any_cut {
        ways.push(Cuts::EveryByte);
        ways.extend((1..length).map(Cuts::At).take(MOST_CUTS));
    }
    let mut reports = Vec::new();
    for cuts in ways {
        if let Some((why, real, other)) = differs(pair, &Case { cuts, ..named.case.clone() }) {
            let shown = shown(&Case { cuts, ..named.case.clone() }, &real, &other);
            reports.push(format!("{} ({}): {why}\n{shown}", named.name, named.why));
        }
        if reports.len() == 2 {
            break;
        }
    }
    reports
}

/// A prefix for one more run of a case, far from those that the numbers of cases give.
fn fresh() -> [u8; super::case::PREFIX] {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 29);
    prefix(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The case and both answers, escaped.
fn shown(case: &Case, real: &Transcript, other: &Transcript) -> String {
    let mut text = format!("  cut {:?}\n", case.cuts);
    for (number, burst) in case.bursts.iter().enumerate() {
        let _ = writeln!(text, "  burst {number}, ended by {:?}", burst.ending);
        for command in &burst.commands {
            let mut bytes = Vec::new();
            command.render(&[], &mut bytes);
            let heard = command.words.iter().filter(|word| matches!(word, Word::Cas { .. }));
            let heard: String = heard.map(|word| format!("   with {word:?} heard")).collect();
            let _ = writeln!(text, "    say {}{heard}", brief(&bytes));
        }
        for (name, transcript) in [("memcached", real), ("the other", other)] {
            match transcript.bursts.get(number) {
                Some(answer) => writeln!(text, "    {name}: {}", brief(answer)),
                None => writeln!(text, "    {name}: had ended"),
            }
            .ok();
        }
    }
    let _ = write!(text, "  memcached ended {:?}, the other {:?}", real.end, other.end);
    text
}

/// Escaped, and cut in the middle when it is long.
fn brief(bytes: &[u8]) -> String {
    const SHOWN: usize = 700;
    if bytes.len() <= 2 * SHOWN {
        return bytes.escape_ascii().to_string();
    }
    let (head, tail) = (&bytes[..SHOWN], &bytes[bytes.len() - SHOWN..]);
    format!("{} ... {} bytes ... {}", head.escape_ascii(), bytes.len() - 2 * SHOWN, tail.escape_ascii())
}
