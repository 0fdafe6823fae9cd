//! Clients that ask one thing at a time and remember how long each answer took and what it was.
//!
//! An answer that is none, or a connection that was closed, fails the test. [`Lag`] tells how late the machine itself
//! was meanwhile, so that a figure can be told from the noise.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{Client, Ketch, wait_for};

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(1);

/// Which nodes a key belongs to, as `ketch explain` says.
#[derive(Clone, Debug)]
pub struct Placed {
    pub key: String,
    /// The number of the owner in the pool's list.
    pub owner: usize,
    /// Who is asked while the owner is out, the first choice first.
    pub next: Vec<usize>,
}

/// Where `keys` belong among `nodes`.
pub fn place(ketch: &Ketch, nodes: &[String], keys: impl IntoIterator<Item = String>) -> Vec<Placed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ketch"));
    command.args(["explain", "--json", "--config"]).arg(ketch.folder.path().join("ketch.yaml")).args(keys);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let explained: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |node: &serde_json::Value| nodes.iter().position(|address| node["address"] == **address).unwrap();
    let placed = |one: &serde_json::Value| Placed {
        key: one["key"].as_str().unwrap().to_owned(),
        owner: number(&one["placed"]["owner"]),
        next: one["placed"]["next"].as_array().unwrap().iter().map(number).collect(),
    };
    explained.as_array().unwrap().iter().map(placed).collect()
}

/// The figure of this name in `stats ketch`.
pub fn figure(ketch: &Ketch, name: &str) -> u64 {
    told(&mut ketch.connect(), "stats ketch", name)
}

/// A figure of `/metrics`: `name` with its labels and the blank behind them.
pub fn metric(ketch: &Ketch, name: &str) -> f64 {
    let (_, page) = ketch.look("/metrics");
    let figure = page.lines().find_map(|line| line.strip_prefix(name));
    figure.unwrap_or_else(|| panic!("no {name} in {page}")).trim().parse().unwrap()
}

/// The figure of this name in what is answered to `command`.
pub fn told(client: &mut Client, command: &str, name: &str) -> u64 {
    client.say(format!("{command}\r\n"));
    let lines: Vec<_> = std::iter::from_fn(|| Some(client.line()).filter(|line| line != "END")).collect();
    let start = format!("STAT {name} ");
    let value = lines.iter().find_map(|line| line.strip_prefix(&start));
    value.unwrap_or_else(|| panic!("no {name} in {lines:#?}")).parse().unwrap()
}

/// How many lines of the log have `words`.
pub fn logged(ketch: &Ketch, words: &str) -> usize {
    ketch.log().lines().filter(|line| line.contains(words)).count()
}

/// Waits for the `times`th line of the log that has `words`; how long that took.
pub fn wait_for_log(ketch: &Ketch, words: &str, times: usize) -> Duration {
    let begin = Instant::now();
    wait_for(&format!("{words}, {times} times"), || (logged(ketch, words) >= times).then_some(()));
    begin.elapsed()
}

/// What a request heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Hit,
    Miss,
    Stored,
    Error,
    /// Several keys were read.
    Many,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub asked: Instant,
    pub took: Duration,
    pub heard: Heard,
    /// The owner of its key; of the several, none.
    pub owner: Option<usize>,
}

/// A load that goes on until it is finished.
pub struct Load {
    over: Arc<AtomicBool>,
    counts: Arc<Counts>,
    clients: Vec<JoinHandle<Vec<Sample>>>,
    lag: Lag,
}

/// Counted as it happens, by owner.
#[derive(Default)]
struct Counts {
    hits: [AtomicU64; 8],
    misses: [AtomicU64; 8],
}

impl Load {
    /// `clients` that read, fill what they miss, and write `keys`.
    pub fn start(address: SocketAddr, clients: u64, keys: &[Placed]) -> Self {
        let (over, counts) = (Arc::<AtomicBool>::default(), Arc::<Counts>::default());
        let keys: Arc<[Placed]> = keys.into();
        let client = |number| {
            let (over, counts, keys) = (over.clone(), counts.clone(), keys.clone());
            std::thread::spawn(move || ask(address, number, &keys, &over, &counts))
        };
        Self { clients: (0..clients).map(client).collect(), over, counts, lag: Lag::start() }
    }

    /// How often keys of `owner` were read with success so far.
    pub fn hits(&self, owner: usize) -> u64 {
        self.counts.hits[owner].load(SeqCst)
    }

    /// How often they were not there.
    pub fn misses(&self, owner: usize) -> u64 {
        self.counts.misses[owner].load(SeqCst)
    }

    /// Waits for so many more hits of keys of `owner`.
    pub fn wait_for_hits(&self, owner: usize, more: u64) {
        let before = self.hits(owner);
        wait_for("hits", || (self.hits(owner) >= before + more).then_some(()));
    }

    /// What an answer since `begin` may owe to the machine.
    pub fn lag(&self, begin: Instant) -> Duration {
        self.lag.of_an_answer(begin)
    }

    /// All that was asked, and the machine's lateness.
    pub fn finish(self) -> (Vec<Sample>, Lag) {
        self.over.store(true, SeqCst);
        let samples = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (samples, self.lag)
    }
}

/// The wait that 99 of 100 of these stay under.
pub fn p99(samples: &[Sample]) -> Duration {
    let mut waits: Vec<_> = samples.iter().map(|sample| sample.took).collect();
    waits.sort_unstable();
    waits.get(waits.len() * 99 / 100).copied().unwrap_or_default()
}

pub fn longest(samples: &[Sample]) -> Duration {
    samples.iter().map(|sample| sample.took).max().unwrap_or_default()
}

pub fn count(samples: &[Sample], heard: Heard) -> usize {
    samples.iter().filter(|sample| sample.heard == heard).count()
}

fn ask(address: SocketAddr, number: u64, keys: &[Placed], over: &AtomicBool, counts: &Counts) -> Vec<Sample> {
    let mut client = Client::connect(address);
    let mut random = Rng::with_seed(number);
    let mut samples = Vec::new();
    while !over.load(SeqCst) {
        let placed = &keys[random.usize(0..keys.len())];
        let mut sample = |heard: &mut dyn FnMut() -> Heard, owner| {
            let asked = Instant::now();
            let heard = heard();
            samples.push(Sample { asked, took: asked.elapsed(), heard, owner });
            heard
        };
        match random.u8(0..10) {
            0 => {
                let several: Vec<_> = (0..4).map(|_| keys[random.usize(0..keys.len())].key.as_str()).collect();
                sample(&mut || read_many(&mut client, &several), None);
            }
            1 => drop(sample(&mut || write(&mut client, &placed.key), Some(placed.owner))),
            _ => match sample(&mut || read(&mut client, &placed.key), Some(placed.owner)) {
                Heard::Hit => drop(counts.hits[placed.owner].fetch_add(1, SeqCst)),
                _ => {
                    counts.misses[placed.owner].fetch_add(1, SeqCst);
                    sample(&mut || write(&mut client, &placed.key), Some(placed.owner));
                }
            },
        }
        std::thread::sleep(PAUSE); // bounds the load
    }
    samples
}

fn read(client: &mut Client, key: &str) -> Heard {
    client.say(format!("get {key}\r\n"));
    let line = client.line();
    if line == "END" {
        return Heard::Miss;
    }
    if line.starts_with("SERVER_ERROR ") {
        return Heard::Error;
    }
    assert_eq!(line, format!("VALUE {key} 0 {}", key.len()));
    assert_eq!((client.line(), client.line()), (key.to_owned(), "END".to_owned()));
    Heard::Hit
}

fn read_many(client: &mut Client, keys: &[&str]) -> Heard {
    client.say(format!("get {}\r\n", keys.join(" ")));
    loop {
        let line = client.line();
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["END"] => return Heard::Many,
            ["SERVER_ERROR", ..] => return Heard::Error,
            ["VALUE", key, ..] if keys.contains(&key) => assert_eq!(client.line(), key),
            _ => panic!("{line} to get {keys:?}"),
        }
    }
}

fn write(client: &mut Client, key: &str) -> Heard {
    let answer = client.ask(&format!("set {key} 0 0 {}\r\n{key}", key.len()));
    match answer.as_str() {
        "STORED" => Heard::Stored,
        _ if answer.starts_with("SERVER_ERROR ") => Heard::Error,
        _ => panic!("{answer} to set {key}"),
    }
}

/// Runs a test that depends on time. Where it fails and the machine stood still meanwhile, it is run again; a
/// machine that was never late by more than [`QUIET`] is no excuse.
pub fn unless_the_machine_was_late(test: impl Fn()) {
    let mut attempts = 8;
    loop {
        attempts -= 1;
        let (lag, begin) = (Lag::start(), Instant::now());
        let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&test)) else { return };
        let late = lag.since(begin);
        println!("failed while the machine was late by {late:?}");
        if attempts == 0 || late <= QUIET {
            std::panic::resume_unwind(panic);
        }
    }
}

/// How late a machine may be and still be held to figures.
pub const QUIET: Duration = Duration::from_millis(10);

/// Notes how late the machine wakes a thread.
pub struct Lag {
    over: Arc<AtomicBool>,
    late: Arc<Mutex<Vec<(Instant, Duration)>>>,
}

impl Lag {
    pub fn start() -> Self {
        let (over, late) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<_>>>::default());
        let lag = Self { over: over.clone(), late: late.clone() };
        std::thread::spawn(move || {
            while !over.load(SeqCst) {
                let begin = Instant::now();
                std::thread::sleep(PAUSE);
                late.lock().unwrap().push((begin, begin.elapsed() - PAUSE));
            }
        });
        lag
    }

    /// The worst since `begin`.
    pub fn since(&self, begin: Instant) -> Duration {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.iter().filter(|(at, late)| *at + PAUSE + *late >= begin).map(|(_, late)| *late).max().unwrap_or_default()
    }

    /// What an answer since `begin` may owe to the machine: it passes through several threads, and each may be woken late.
    pub fn of_an_answer(&self, begin: Instant) -> Duration {
        // The client, ketch's acceptor or probes, its worker, the node, and the worker again.
        const WAKENED: u32 = 5;
        WAKENED * self.since(begin)
    }

    /// What 99 of 100 between `begin` and `end` stayed under.
    pub fn p99(&self, begin: Instant, end: Instant) -> Duration {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let mut late: Vec<_> = late.iter().filter(|(at, _)| (begin..end).contains(at)).map(|(_, late)| *late).collect();
        late.sort_unstable();
        late.get(late.len() * 99 / 100).copied().unwrap_or_default()
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}
