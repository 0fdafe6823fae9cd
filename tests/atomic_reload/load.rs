//! Clients that never rest and look at everything they hear.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::support::Client;

/// Keys of one client.
const KEYS: usize = 40;

/// What all clients have seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub requests: usize,
    pub hits: usize,
    /// What was no right answer: an error, another key's value, a value from before the last.
    pub wrong: Vec<String>,
    pub times: Vec<Duration>,
}

/// A load that runs until it is ended.
pub struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Seen>>,
}

impl Load {
    /// Half of `clients` keep 8 requests in the pipe, half one. `name` tells its keys from those of other loads.
    pub fn start(name: char, address: SocketAddr, clients: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |number: usize| {
            let over = over.clone();
            let pipe = if number.is_multiple_of(2) { 8 } else { 1 };
            std::thread::spawn(move || Asker::new(format!("{name}{number}"), address).run(&over, pipe))
        };
        let clients = (0..clients).map(client).collect();
        Self { over, clients }
    }

    pub fn end(self) -> Seen {
        self.over.store(true, Relaxed);
        let mut all = Seen::default();
        for client in self.clients {
            let seen =
                client.join().unwrap_or_else(|_| panic!("a client's connection was closed, or it waited too long"));
            all.requests += seen.requests;
            all.hits += seen.hits;
            all.wrong.extend(seen.wrong);
            all.times.extend(seen.times);
        }
        all
    }
}

impl Seen {
    /// The time that 99 of 100 turns took at the most.
    pub fn p99(&mut self) -> Duration {
        self.times.sort_unstable();
        self.times[self.times.len() * 99 / 100]
    }
}

/// One client with keys of its own, half of them under the prefix of another route.
struct Asker {
    client: Client,
    name: String,
    /// The newest version of each key that was written.
    versions: [u64; KEYS],
    seen: Seen,
}

impl Asker {
    fn new(name: String, address: SocketAddr) -> Self {
        Self { client: Client::connect(address), name, versions: [0; KEYS], seen: Seen::default() }
    }

    fn run(mut self, over: &AtomicBool, pipe: usize) -> Seen {
        let mut turn = 0;
        while !over.load(Relaxed) {
            turn += 1;
            let keys: Vec<usize> = (0..pipe).map(|place| (turn * pipe + place * 7) % KEYS).collect();
            let begun = Instant::now();
            match turn % 4 {
                0 => self.write(&keys),
                _ => self.read(&keys),
            }
            self.seen.times.push(begun.elapsed());
            self.seen.requests += keys.len();
            std::thread::sleep(Duration::from_millis(2));
        }
        self.seen
    }

    fn write(&mut self, keys: &[usize]) {
        let mut said = String::new();
        for key in keys {
            self.versions[*key] += 1;
            let value = format!("{}={}", self.key(*key), self.versions[*key]);
            said += &format!("set {} 0 0 {}\r\n{value}\r\n", self.key(*key), value.len());
        }
        self.client.say(said);
        for key in keys {
            let heard = self.client.line();
            self.check(*key, heard == "STORED", &heard);
        }
    }

    fn read(&mut self, keys: &[usize]) {
        let said: String = keys.iter().map(|key| format!("get {}\r\n", self.key(*key))).collect();
        self.client.say(said);
        for key in keys {
            let heard = self.client.line();
            if heard == "END" {
                continue;
            }
            let value = self.client.line();
            let end = self.client.line();
            let version = value.strip_prefix(&format!("{}=", self.key(*key))).and_then(|version| version.parse().ok());
            // An older one may stand on a node that a key comes back to; a newer one was never written.
            let is_own = version.is_some_and(|version: u64| version <= self.versions[*key]);
            self.check(*key, is_own && end == "END" && heard.starts_with("VALUE "), &format!("{heard} {value} {end}"));
            self.seen.hits += 1;
        }
    }

    fn key(&self, key: usize) -> String {
        let prefix = if key.is_multiple_of(2) { "other:" } else { "" };
        format!("{prefix}{}k{key}", self.name)
    }

    fn check(&mut self, key: usize, is_right: bool, heard: &str) {
        if !is_right {
            self.seen.wrong.push(format!("{}: {heard}", self.key(key)));
        }
    }
}
