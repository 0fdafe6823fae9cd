//! Promise 5, fresh joins: reads are merged, and none of them returns a value older than its own arrival.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use support::fake::{Fake, Way, relay};
use support::load::{Lag, figure, unless_the_machine_was_late};
use support::{Client, Ketch, Memcached, pool};

const CLIENTS: usize = 200;
const ROUNDS: usize = 10;
/// A machine that stands still must not make errors.
const PATIENT: &str = "request_timeout: 20s, health: { eject_after: 1000000 }";
const DELAY: Duration = Duration::from_millis(50);

#[test]
fn two_hundred_clients_read_one_key_in_as_many_reads_as_there_are_rounds() {
    for workers in [1, 2] {
        for question in Question::ALL {
            let (upstream, lasted, coalesced) = read_together(workers, question, "");
            let rounds = (lasted.as_secs_f64() / DELAY.as_secs_f64()).ceil() as usize;
            let asked = CLIENTS * ROUNDS;
            println!("{question:?}, {workers} workers: {asked} in {lasted:?}, {rounds} rounds: {upstream} upstream");
            assert!(upstream <= workers * (rounds + 1), "{question:?}: {upstream} upstream in {rounds} rounds");
            assert_eq!(coalesced, asked - upstream, "{question:?}");
        }
    }
}

#[test]
fn merged_reads_do_not_pile_up_where_merging_is_off() {
    let (upstream, lasted, coalesced) = read_together(1, Question::Get, "coalesce: false");
    println!("coalesce: false: {} reads in {lasted:?}: {upstream} upstream", CLIENTS * ROUNDS);
    assert_eq!((upstream, coalesced), (CLIENTS * ROUNDS, 0));
}

/// How a key is read.
#[derive(Clone, Copy, Debug)]
enum Question {
    Get,
    Meta,
    Http,
}

impl Question {
    const ALL: [Self; 3] = [Self::Get, Self::Meta, Self::Http];

    /// Reads the key `popular` from a node that answers as [`support::fake::echo`] does.
    fn ask(self, client: &mut Client) {
        match self {
            Self::Get => client.expect("get popular\r\n", "VALUE popular 0 7\r\npopular\r\nEND\r\n"),
            Self::Meta => client.expect("mg popular k v\r\n", "VA 7\r\npopular\r\n"),
            Self::Http => {
                client.expect("GET /v1/keys/popular HTTP/1.1\r\nHost: ketch\r\n\r\n", "HTTP/1.1 200 OK\r\n");
                while !client.line().is_empty() {}
                assert_eq!(client.bytes(7), b"popular");
            }
        }
    }
}

/// All clients read one key together, again and again; how often the node was asked, how long it took, and how many
/// reads ketch says that it merged.
fn read_together(workers: usize, question: Question, settings: &str) -> (usize, Duration, usize) {
    let fake = Fake::start(|talk| talk.behave_late(DELAY));
    let settings = format!("request_timeout: 10s, {settings}");
    let ketch = Ketch::start_with_http(&format!("workers: {workers}\n{}", pool(&[fake.address()], &settings)));
    let address = if let Question::Http = question { ketch.http.unwrap() } else { ketch.memcached };
    let clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    let barrier = Barrier::new(CLIENTS);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for mut client in clients {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..ROUNDS {
                    question.ask(&mut client);
                }
            });
        }
    });
    let upstream = fake.heard("get popular") + fake.heard("mg popular");
    (upstream, begin.elapsed(), figure(&ketch, "main:coalesced") as usize)
}

/// A stale item's right to be recached is for one, and the others hear that it is taken, as from the node itself.
#[test]
fn of_those_who_share_a_stale_item_one_wins() {
    let node = Memcached::start();
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[node.address()], PATIENT)));
    let go_stale = "set k 0 0 1\r\n1\r\nmd k I\r\n";
    let read = "mg k f v\r\n".repeat(3) + "mg k f v O1\r\nmg k k v\r\nset k 0 0 1\r\n2\r\nmg k f v\r\n";
    let heard = "VA 1 f0 X W\r\n1\r\nVA 1 f0 Z X\r\n1\r\nVA 1 f0 Z X\r\n1\r\nVA 1 f0 O1 Z X\r\n1\r\n\
                 VA 1 kk Z X\r\n1\r\nSTORED\r\nVA 1 f0\r\n2\r\n";
    for address in [([127, 0, 0, 1], node.port).into(), ketch.memcached] {
        let mut client = Client::connect(address);
        client.expect(go_stale, "STORED\r\nHD\r\n");
        client.expect(&read, heard);
    }
    assert_eq!(figure(&ketch, "main:coalesced"), 2);
}

/// The same where they are different clients, and come while others are under way.
#[test]
fn a_stale_item_of_many_clients_is_won_once() {
    let node = Memcached::start();
    let slow = slow_relay(node.port);
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[slow.address()], PATIENT)));
    for round in 0..20 {
        ketch.connect().expect(format!("set k{round} 0 0 1\r\n1\r\nmd k{round} I\r\n"), "STORED\r\nHD\r\n");
        let barrier = Barrier::new(16);
        let heard: Vec<String> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let mut client = ketch.connect();
                        barrier.wait();
                        let line = client.ask(&format!("mg k{round} v"));
                        assert_eq!(client.line(), "1");
                        line
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(heard.iter().filter(|line| *line == "VA 1 X W").count(), 1, "{heard:?}");
        assert_eq!(heard.iter().filter(|line| *line == "VA 1 Z X").count(), 15, "{heard:?}");
    }
    assert!(figure(&ketch, "main:coalesced") > 20);
}

/// Whoever waits for another's read and then for its own is answered in time all the same.
#[test]
fn a_read_that_waits_for_another_keeps_its_own_deadline() {
    unless_the_machine_was_late(|| {
        const SLOW: Duration = Duration::from_millis(300);
        const TIMEOUT: Duration = Duration::from_millis(400);
        let fake = Fake::start(|talk| talk.behave_late(SLOW));
        let settings = format!("request_timeout: {}ms, health: {{ eject_after: 1000000 }}", TIMEOUT.as_millis());
        let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[fake.address()], &settings)));
        let lag = Lag::start();
        let begin = Instant::now();
        let waits: Vec<Duration> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..20)
                .map(|number| {
                    let mut client = ketch.connect();
                    scope.spawn(move || {
                        std::thread::sleep(Duration::from_millis(number * 20)); // one after the other
                        let asked = Instant::now();
                        if client.ask("get popular") != "END" {
                            assert_eq!((client.line().as_str(), client.line().as_str()), ("popular", "END"));
                        }
                        asked.elapsed()
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let (longest, lag) = (waits.into_iter().max().unwrap(), lag.of_an_answer(begin));
        println!("the longest wait {longest:?}, the machine late by {lag:?}");
        assert!(longest <= TIMEOUT + Duration::from_millis(50) + lag, "{longest:?}");
    });
}

/// On one connection, in one piece: the second read comes after the write, whoever else reads.
#[test]
fn a_read_does_not_join_across_a_write_in_the_pipe() {
    let node = Memcached::start();
    let slow = slow_relay(node.port);
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[slow.address()], PATIENT)));
    let over = AtomicBool::new(false);
    let mut client = ketch.connect();
    client.expect("set k 0 0 1\r\n0\r\n", "STORED\r\n");
    std::thread::scope(|scope| {
        let _end = End(&over);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = ketch.connect();
                while !over.load(SeqCst) {
                    read(&mut client, "get k\r\n");
                }
            });
        }
        for value in 1..=300_u64 {
            let before = value - 1;
            let (old, new) = (before.to_string(), value.to_string());
            client.expect(
                format!("get k\r\nset k 0 0 {}\r\n{new}\r\nget k\r\nget k k\r\n", new.len()),
                format!(
                    "VALUE k 0 {}\r\n{old}\r\nEND\r\nSTORED\r\nVALUE k 0 {len}\r\n{new}\r\nEND\r\n\
                     VALUE k 0 {len}\r\n{new}\r\nVALUE k 0 {len}\r\n{new}\r\nEND\r\n",
                    old.len(),
                    len = new.len()
                ),
            );
        }
    });
    let coalesced = figure(&ketch, "main:coalesced");
    println!("{coalesced} reads merged");
    assert!(coalesced > 100);
}

/// A register that only grows: what was told to anybody before an operation began is the least that it may hear.
///
/// Two ketches over one memcached; each has writers and readers, and one of them a slow way, so that reads wait.
#[test]
fn no_read_returns_a_value_older_than_its_arrival() {
    let node = Memcached::start();
    let slow = slow_relay(node.port);
    let ketch = |address: String, workers| {
        Ketch::start_with_http(&format!("workers: {workers}\n{}", pool(&[address], PATIENT)))
    };
    let ketches = [ketch(slow.address(), 1), ketch(node.address(), 2)];
    let history = History::default();
    ketches[0].connect().expect("set n 0 0 1\r\n0\r\n", "STORED\r\n");
    ketches[0].connect().expect("set k 0 0 1\r\n0\r\n", "STORED\r\n");
    std::thread::scope(|scope| {
        let end = End(&history.over);
        for ketch in &ketches {
            for reader in 0..8 {
                let history = &history;
                scope.spawn(move || history.read(ketch, reader));
            }
        }
        let writers: Vec<_> = ketches
            .iter()
            .flat_map(|ketch| [(ketch, true), (ketch, true), (ketch, false)])
            .map(|(ketch, counts)| {
                let (address, history) = (ketch.memcached, &history);
                scope.spawn(move || if counts { history.count(address) } else { history.write(address) })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        drop(end);
    });
    let coalesced: Vec<_> = ketches.iter().map(|ketch| figure(ketch, "main:coalesced")).collect();
    println!("{} reads checked, merged {coalesced:?}", history.reads.load(SeqCst));
    assert!(coalesced[0] > 100, "hardly any read was merged: {coalesced:?}");
}

/// Operations of each writer.
const WRITES: u64 = 500;

#[derive(Default)]
struct History {
    /// The most that anybody was told of `n` (counted by the node) and of `k` (written in turn).
    told: [AtomicU64; 2],
    /// Whose turn it is to write `k`, and the last value.
    turn: Mutex<u64>,
    reads: AtomicU64,
    over: AtomicBool,
}

impl History {
    /// Counts `n` up; many do at once.
    fn count(&self, address: SocketAddr) {
        let mut client = Client::connect(address);
        for _ in 0..WRITES {
            let least = self.told[0].load(SeqCst);
            let value = client.ask("incr n 1").parse().unwrap();
            assert!(value > least, "counted to {value} after {least} was told");
            self.told[0].fetch_max(value, SeqCst);
        }
    }

    /// Writes the next value of `k`; one at a time.
    fn write(&self, address: SocketAddr) {
        let mut client = Client::connect(address);
        for _ in 0..WRITES {
            let mut last = self.turn.lock().unwrap();
            *last += 1;
            let value = last.to_string();
            client.expect(format!("set k 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
            self.told[1].fetch_max(*last, SeqCst);
        }
    }

    fn read(&self, ketch: &Ketch, reader: u64) {
        let (mut client, mut browser) = (ketch.connect(), Client::connect(ketch.http.unwrap()));
        let mut random = fastrand::Rng::with_seed(reader);
        while !self.over.load(SeqCst) {
            let register = random.usize(0..2);
            let key = ["n", "k"][register];
            let ask = ["get ", "gets ", "mg ", "get other ", "GET "][random.usize(0..5)];
            let least = self.told[register].load(SeqCst);
            let value = match ask {
                "mg " => meta_read(&mut client, key),
                "GET " => http_read(&mut browser, key),
                _ => read(&mut client, &format!("{ask}{key}\r\n")),
            };
            assert!(value >= least, "{ask}{key} gave {value} after {least} was told");
            self.told[register].fetch_max(value, SeqCst);
            self.reads.fetch_add(1, SeqCst);
        }
    }
}

/// The value of the only item of the answer.
fn read(client: &mut Client, line: &str) -> u64 {
    client.say(line);
    assert!(client.line().starts_with("VALUE "));
    let value = client.line().parse().unwrap();
    assert_eq!(client.line(), "END");
    value
}

fn meta_read(client: &mut Client, key: &str) -> u64 {
    assert!(client.ask(&format!("mg {key} v")).starts_with("VA "));
    client.line().parse().unwrap()
}

fn http_read(client: &mut Client, key: &str) -> u64 {
    client.say(format!("GET /v1/keys/{key} HTTP/1.1\r\nHost: ketch\r\n\r\n"));
    assert_eq!(client.line(), "HTTP/1.1 200 OK");
    let mut length = 0;
    loop {
        let line = client.line();
        let Some((name, value)) = line.split_once(": ") else { break };
        if name == "content-length" {
            length = value.parse().unwrap();
        }
    }
    String::from_utf8(client.bytes(length)).unwrap().parse().unwrap()
}

/// A way to the node that takes a millisecond, so that reads come while others are under way.
fn slow_relay(port: u16) -> Fake {
    Fake::start(move |talk| {
        relay(talk, port, 4096, |way| {
            if way == Way::ToKetch {
                std::thread::sleep(Duration::from_millis(1));
            }
            true
        });
    })
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
