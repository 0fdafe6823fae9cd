//! Promise 2, read your writes: on one client connection a read after an acknowledged write sees it.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use fastrand::Rng;
use support::fake::{Fake, Way, relay};
use support::{Client, Ketch, Memcached, pool};

/// Rounds of a write and what must be read behind it, for each client.
const ROUNDS: u64 = 1000;
const WRITERS: usize = 4;
const KEYS: usize = 12;

/// Writers of their own keys, while others read the same keys so busily that reads are merged all the time.
#[test]
fn a_read_sees_the_write_before_it() {
    let world = World::start("connections: 3");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = End(&over);
        for reader in 0..3 {
            let (address, over) = (world.ketch.memcached, &over);
            scope.spawn(move || read_everything(address, over, reader));
        }
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let address = world.ketch.memcached;
                scope.spawn(move || match writer % 2 {
                    0 => one_at_a_time(address, writer),
                    _ => in_the_pipe(address, writer),
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
    let mut client = world.ketch.connect();
    client.say("stats ketch\r\n");
    let merged = std::iter::from_fn(|| Some(client.line()).filter(|line| line != "END"))
        .find_map(|line| line.strip_prefix("STAT main:coalesced ").and_then(|count| count.parse::<u64>().ok()));
    assert!(merged.unwrap() > 100, "only {merged:?} reads were merged");
}

/// What one client was told is stored, every other client reads, whichever worker serves it.
#[test]
fn what_one_client_was_told_another_reads() {
    let world = World::start("");
    let (told, over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _end = End(&over);
        for _ in 0..4 {
            let (address, told, over) = (world.ketch.memcached, &told, &over);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                while !over.load(SeqCst) {
                    let least = told.load(SeqCst);
                    let seen = number(&mut client, "shared");
                    assert!(seen >= least, "read {seen} after {least} was stored");
                }
            });
        }
        let mut client = world.ketch.connect();
        for value in 1..=ROUNDS {
            set(&mut client, "shared", value);
            told.store(value, SeqCst);
        }
    });
}

/// Two quick nodes and two slow ones.
struct World {
    ketch: Ketch,
    _nodes: Vec<Memcached>,
    _slow: Vec<Fake>,
}

impl World {
    fn start(settings: &str) -> Self {
        let nodes: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
        let slow = |port| {
            Fake::start(move |talk| {
                relay(talk, port, 4096, |way| {
                    if way == Way::ToKetch {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    true
                });
            })
        };
        let slow: Vec<_> = nodes[2..].iter().map(|node| slow(node.port)).collect();
        let addresses = nodes[..2].iter().map(Memcached::address).chain(slow.iter().map(Fake::address));
        let settings = format!("request_timeout: 20s, {settings}");
        let ketch = Ketch::start(&format!("workers: 2\n{}", pool(&addresses.collect::<Vec<_>>(), &settings)));
        Self { ketch, _nodes: nodes, _slow: slow }
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn key(writer: usize, number: usize) -> String {
    format!("w{writer}-{number}")
}

/// Reads the keys of all writers, single and together, deep in the pipe.
fn read_everything(address: SocketAddr, over: &AtomicBool, reader: u64) {
    let mut client = Client::connect(address);
    let mut random = Rng::with_seed(reader);
    while !over.load(SeqCst) {
        for _ in 0..64 {
            let key = |random: &mut Rng| key(random.usize(0..WRITERS), random.usize(0..KEYS));
            let (one, other) = (key(&mut random), key(&mut random));
            client.say(match random.u8(0..3) {
                0 => format!("get {one} {other}\r\n"),
                1 => format!("mg {one} v\r\n"),
                _ => format!("get {one}\r\n"),
            });
        }
        client.say("mn\r\n");
        while client.line() != "MN" {}
    }
}

fn one_at_a_time(address: SocketAddr, writer: usize) {
    let mut client = Client::connect(address);
    let mut random = Rng::with_seed(writer as u64);
    for value in 1..=ROUNDS / 2 {
        let key = key(writer, random.usize(0..KEYS));
        set(&mut client, &key, value);
        assert_eq!(number(&mut client, &key), value);
        match random.u8(0..4) {
            0 => {
                assert_eq!(client.ask(&format!("delete {key}")), "DELETED");
                assert_eq!(client.ask(&format!("get {key}")), "END");
            }
            1 => {
                assert_eq!(client.ask(&format!("incr {key} 5")), (value + 5).to_string());
                assert_eq!(number(&mut client, &key), value + 5);
            }
            2 => client.expect(format!("ms {key} 1\r\n7\r\nmg {key} v\r\n"), "HD\r\nVA 1\r\n7\r\n"),
            _ => client.expect(format!("md {key}\r\nmg {key} v\r\n"), "HD\r\nEN\r\n"),
        }
    }
}

/// Writes and reads without waiting for either.
fn in_the_pipe(address: SocketAddr, writer: usize) {
    let mut client = Client::connect(address);
    let mut random = Rng::with_seed(writer as u64);
    for first in (0..ROUNDS).step_by(50) {
        let (mut said, mut right) = (String::new(), String::new());
        for value in first..first + 50 {
            let key = key(writer, random.usize(0..KEYS));
            let value = value.to_string();
            let size = value.len();
            let item = format!("VALUE {key} 0 {size}\r\n{value}\r\nEND\r\n");
            let (command, answer) = match random.u8(0..5) {
                0 => (format!("set {key} 0 0 {size} noreply\r\n{value}\r\nget {key}\r\n"), item),
                1 => (format!("ms {key} {size} q\r\n{value}\r\nget {key}\r\n"), item),
                2 => (format!("get {key}x\r\nset {key} 0 0 {size}\r\n{value}\r\nget {key}\r\n"), {
                    format!("END\r\nSTORED\r\n{item}")
                }),
                3 => (format!("delete {key} noreply\r\nget {key}\r\nget {key}\r\n"), "END\r\nEND\r\n".to_owned()),
                _ => (
                    format!("set {key} 0 0 {size}\r\n{value}\r\nget {key} nothing\r\nmg {key} v\r\n"),
                    format!("STORED\r\n{item}VA {size}\r\n{value}\r\n"),
                ),
            };
            said += &command;
            right += &answer;
        }
        client.expect(said, right);
    }
}

fn set(client: &mut Client, key: &str, value: u64) {
    let value = value.to_string();
    client.expect(format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
}

/// The number that stands under `key`; 0 when there is none.
fn number(client: &mut Client, key: &str) -> u64 {
    client.say(format!("get {key}\r\n"));
    if client.line() == "END" {
        return 0;
    }
    let value = client.line();
    assert_eq!(client.line(), "END");
    value.trim().parse().unwrap()
}
