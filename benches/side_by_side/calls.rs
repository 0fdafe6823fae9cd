//! System calls for each operation, counted by a tracer while a load runs.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use crate::process::program;

/// How long a tracer has to attach before the load starts, and to hear of the last calls.
const SETTLE: Duration = Duration::from_millis(500);
/// How long it may take to write its figures and end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Counts to make before giving up on two in a row that agree.
const ATTEMPTS: usize = 4;
/// By how much of the greater they may differ. perf has been seen to leave out a whole thread.
const TOLERANCE: f64 = 0.2;
/// Calls rarer than this for each operation are idle threads and timers.
const RARE: f64 = 0.0005;

/// Calls by name for each operation.
#[derive(Serialize)]
pub struct Calls {
    pub tool: &'static str,
    pub each: BTreeMap<String, f64>,
}

impl Calls {
    pub fn total(&self) -> f64 {
        self.each.values().sum()
    }
}

/// Counts the calls of the process `pid` while `load` runs; `load` gives the operations it made.
///
/// The tracer is there before the load starts and after it has ended, so that each call has its operation.
///
/// Done twice at least, until two counts in a row agree.
///
/// # Errors
///
/// When neither perf nor strace may trace, the load fails, or the counts do not agree.
pub fn count(pid: u32, folder: &Path, load: &mut dyn FnMut() -> anyhow::Result<u64>) -> anyhow::Result<Calls> {
    let mut earlier = count_once(pid, folder, load)?;
    for _ in 1..ATTEMPTS {
        let calls = count_once(pid, folder, load)?;
        let (one, other) = (earlier.total(), calls.total());
        if (one - other).abs() <= TOLERANCE * one.max(other) {
            return Ok(calls);
        }
        earlier = calls;
    }
    bail!("no two counts in a row agree")
}

fn count_once(pid: u32, folder: &Path, load: &mut dyn FnMut() -> anyhow::Result<u64>) -> anyhow::Result<Calls> {
    match with_perf(pid, folder, load) {
        Ok(calls) => Ok(calls),
        Err(perf) => with_strace(pid, folder, load).with_context(|| format!("perf: {perf:#}; and by strace")),
    }
}

fn with_perf(pid: u32, folder: &Path, load: &mut dyn FnMut() -> anyhow::Result<u64>) -> anyhow::Result<Calls> {
    let output = folder.join(format!("perf-{pid}"));
    let mut command = Command::new(program("perf", "linux-perf")?);
    command.args(["trace", "-s", "-m", "4096", "-p", &pid.to_string(), "-o"]).arg(&output);
    let (text, operations) = traced(command, output, load)?;
    ensure!(!text.contains("LOST"), "it lost events");
    // "sendmsg  43909  0  160.265 …" under the name of each thread
    calls("perf trace", operations, text.lines().filter_map(|line| pair(line, 0, 1)))
}

fn with_strace(pid: u32, folder: &Path, load: &mut dyn FnMut() -> anyhow::Result<u64>) -> anyhow::Result<Calls> {
    let output = folder.join(format!("strace-{pid}"));
    let mut command = Command::new(program("strace", "strace")?);
    command.args(["-c", "-f", "-p", &pid.to_string(), "-o"]).arg(&output);
    let (text, operations) = traced(command, output, load)?;
    // "46.32  0.283739  22  12366  [errors]  epoll_wait"
    let lines = text.lines().filter(|line| !line.ends_with(" total"));
    calls("strace", operations, lines.filter_map(|line| pair(line, line.split_whitespace().count().max(5) - 1, 3)))
}

/// Runs `load` under the tracer `command`; gives what the tracer wrote to `output` and the operations made.
fn traced(
    mut command: Command,
    output: PathBuf,
    load: &mut dyn FnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<(String, u64)> {
    let said = output.with_extension("said");
    let mut tracer = command.stdout(Stdio::null()).stderr(File::create(&said)?).spawn()?;
    std::thread::sleep(SETTLE);
    let early = tracer.try_wait()?;
    let operations = if early.is_none() { load() } else { Ok(0) };
    std::thread::sleep(SETTLE);
    Command::new("kill").args(["-INT", &tracer.id().to_string()]).stderr(Stdio::null()).status()?;
    ended(&mut tracer)?;
    ensure!(early.is_none(), "it may not trace here");
    ensure!(!std::fs::read_to_string(&said)?.contains("LOST"), "it lost events");
    Ok((std::fs::read_to_string(&output).context("it wrote nothing")?, operations?))
}

/// Waits for the end of a tracer that was told to end.
fn ended(tracer: &mut Child) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    while tracer.try_wait()?.is_none() {
        if Instant::now() > end {
            tracer.kill()?;
            tracer.wait()?;
            bail!("it did not end within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn pair(line: &str, name: usize, count: usize) -> Option<(String, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let name = fields.get(name).filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))?;
    Some(((*name).to_owned(), fields.get(count)?.parse().ok()?))
}

fn calls(tool: &'static str, operations: u64, counts: impl Iterator<Item = (String, u64)>) -> anyhow::Result<Calls> {
    let mut each = BTreeMap::new();
    for (name, count) in counts {
        *each.entry(name).or_default() += count as f64 / operations as f64;
    }
    each.retain(|_, rate| *rate >= RARE);
    ensure!(!each.is_empty(), "{tool} saw no calls");
    Ok(Calls { tool, each })
}
