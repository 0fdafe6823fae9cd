//! What one operation costs a worker in instructions, as the processor of valgrind's callgrind counts them: a figure
//! that does not depend on the machine's mood.
//!
//! ```text
//! tests/run instructions               counts, and fails where a row is over 5 % from the checked figure
//! tests/run instructions --bless       counts, and writes the figures down
//! tests/run instructions get-8         counts only this row
//! tests/run instructions get-8 --keep  and leaves callgrind's files of it, for callgrind_annotate
//! ```
//!
//! # How the figures are made
//!
//! The program is the one that people run: `cargo build --release`, built here. It runs under callgrind with one worker
//! over four nodes, which are all one real memcached, asked through this program. Every socket is real, and so is the
//! whole way of a request: two reads, two writes, the turn around epoll.
//!
//! What makes counts differ from run to run is what happens to arrive together. So ketch is stopped (SIGSTOP) while a
//! round's requests are put into its sockets, goes on until its worker sleeps in epoll, and is stopped again while the
//! answers of the nodes are put there: a worker finds a whole round's work each time it wakes, as under load.
//!
//! A row is run twice, with N and with 2 N rounds; what the second took more, by the worker's thread alone, is the cost
//! of N rounds. Start, first buffers and end are in neither. The kernel's share is not counted: that is what
//! `cargo bench --bench side_by_side` is for.
//!
//! The figures are in `figures.txt`, which says what they were made with. They belong to a compiler and its
//! target; with another a difference means less, so that more is let pass, and said.

#[path = "../support/mod.rs"]
mod support;

mod callgrind;
mod figures;
mod lines;
mod rig;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use figures::Figures;
use rows::Row;

fn main() -> ExitCode {
    let Asked { bless, keep, names } = Asked::from(std::env::args().skip(1));
    let chosen = rows::chosen(&names);
    if chosen.is_empty() {
        // `cargo test NAME` gives every test program the name of a test.
        return finish(0, 0);
    }
    figures::test_itself();
    let program = callgrind::release();
    let counted: BTreeMap<String, u64> =
        chosen.iter().map(|row| (row.name.to_owned(), count(row, &program, keep))).collect();
    let counted = Figures::of(counted);
    if bless {
        counted.write();
        println!("written to {}", figures::FILE);
        return finish(chosen.len(), 0);
    }
    let verdict = counted.against(&Figures::read());
    print!("{}", verdict.text);
    finish(chosen.len() - verdict.failed, verdict.failed)
}

/// What the command line wants.
#[derive(Default)]
struct Asked {
    bless: bool,
    keep: bool,
    /// Of rows, or of a test, as cargo passes them to every test program.
    names: Vec<String>,
}

impl Asked {
    /// Passes over what only the standard harness knows.
    fn from(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut asked = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bless" => asked.bless = true,
                "--keep" => asked.keep = true,
                "--test-threads" | "--skip" | "--format" | "--color" => drop(arguments.next()),
                flag if flag.starts_with('-') => {}
                _ => asked.names.push(argument),
            }
        }
        if asked.bless {
            asked.names.clear(); // the file has one list of what it was made with, for all rows
        }
        asked
    }
}

/// Instructions for each operation.
fn count(row: &Row, program: &Path, keep: bool) -> u64 {
    let less = rig::run(row, row.rounds, program, false);
    let more = rig::run(row, 2 * row.rounds, program, keep);
    let operations = row.operations() * row.rounds;
    let each = ((more - less) as f64 / operations as f64).round() as u64;
    println!("{:14}{each:6}  {}", row.name, row.title);
    each
}

/// As the standard harness ends, so that who adds up what test programs say need not know this one.
fn finish(passed: usize, failed: usize) -> ExitCode {
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
