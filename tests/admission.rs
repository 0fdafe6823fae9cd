//! Promise 7, bounded, for those who write large values: past what `limits.memory` has room for, a client is not read
//! from for a while rather than refused; and those who do not bring what they announce keep nobody out.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use support::fake::Fake;
use support::load::{Lag, metric};
use support::{Client, Ketch, Memcached, pool, wait_for};

/// All that ketch may hold for clients and nodes: 32 MiB for each worker, of which bodies get 16.
const LIMITS: &str = "workers: 2\nlimits: { memory: 64MiB, connections: 6000 }\n";
const MEMORY: u64 = 64 << 20;
/// What the program needs beside, in a build without optimisation: see tests/bounded.rs.
const BASE: u64 = 64 << 20;
/// The allocator keeps for a second what is given back to it: at most as much again as the bodies may hold.
const KEPT: u64 = MEMORY / 2;

/// Just under the limit of a value.
const LARGE: usize = 1_000_000;

/// Figures of `/metrics`.
const HELD: &str = "ketch_buffered_bytes";
const WAITING: &str = "ketch_waiting_bodies";
const REFUSED: &str = "ketch_rejected_requests_total{reason=\"memory\"}";

const NO_STORE: &str = "SERVER_ERROR out of memory storing object";

/// How long a node may take in these tests, where a machine with other things to do takes 400 MB at once.
const SLOWLY: &str = "request_timeout: 10s";

/// More than there is room for twelve times, in each of the ways to write a value.
#[test]
fn two_hundred_clients_that_set_a_megabyte_at_once_are_all_stored() {
    let (_nodes, ketch) = over_four();
    let value = "v".repeat(LARGE);
    let writes = |number: usize, round: usize| {
        let key = format!("key{number}");
        let (said, answer) = match (number + round) % 4 {
            0 => (format!("set {key} 0 0 {LARGE}\r\n{value}\r\n"), "STORED\r\n"),
            1 => (format!("ms {key} {LARGE} T0\r\n{value}\r\n"), "HD\r\n"),
            2 => (format!("set {key} 0 0 {LARGE} noreply\r\n{value}\r\nmn\r\n"), "MN\r\n"),
            _ => (format!("ms {key} {LARGE} q\r\n{value}\r\nmn\r\n"), "MN\r\n"),
        };
        (said, answer, key)
    };
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (mut client, writes) = (ketch.connect(), &writes);
            scope.spawn(move || {
                for round in 0..4 {
                    let (said, answer, key) = writes(number, round);
                    client.expect(said, answer);
                    assert_eq!(client.ask(&format!("mg {key} s")), format!("HD s{LARGE}"));
                }
            });
        }
        is_held_within(&ketch);
    });
    assert_eq!(told(&ketch, REFUSED), 0);
    wait_for("all to be given back", || (told(&ketch, HELD) == 0).then_some(()));
    assert_eq!(told(&ketch, WAITING), 0);
    holds(&ketch);
}

/// One client alone may have many on the way.
#[test]
fn a_pipeline_of_large_values_is_stored() {
    let (_nodes, ketch) = over_four();
    let value = "v".repeat(LARGE);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (mut client, value) = (ketch.connect(), &value);
            let mut mouth = client.stream.try_clone().unwrap();
            scope.spawn(move || {
                for turn in 0..30 {
                    let line = format!("set key{number}.{turn} 0 0 {LARGE}\r\n");
                    mouth.write_all(&[line.as_bytes(), value.as_bytes(), b"\r\n"].concat()).unwrap();
                }
            });
            scope.spawn(move || client.expect("", "STORED\r\n".repeat(30)));
        }
    });
    holds(&ketch);
}

#[test]
fn two_hundred_puts_of_a_megabyte_at_once_are_all_stored() {
    let (_nodes, ketch) = over_four();
    let value = "v".repeat(LARGE);
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (mut client, value) = (Client::connect(ketch.http.unwrap()), &value);
            scope.spawn(move || {
                for round in 0..3 {
                    // A body says how long it is, or that it has pieces.
                    client.say(format!("PUT /v1/keys/key{number} HTTP/1.1\r\nHost: ketch\r\n"));
                    match round {
                        0 => client.say(format!("Transfer-Encoding: chunked\r\n\r\n{LARGE:x}\r\n{value}\r\n0\r\n\r\n")),
                        _ => client.say(format!("Content-Length: {LARGE}\r\n\r\n{value}")),
                    }
                    assert_eq!(client.line(), "HTTP/1.1 204 No Content");
                    while !client.line().is_empty() {}
                }
            });
        }
        is_held_within(&ketch);
    });
    holds(&ketch);
}

#[test]
fn three_hundred_clients_that_stop_within_a_megabyte_keep_nobody_out() {
    let (_nodes, ketch) = over_four();
    let most = LARGE - 100_000;
    let mut stopped: Vec<_> = (0..300).map(|_| ketch.connect()).collect();
    std::thread::scope(|scope| {
        for (number, client) in stopped.iter_mut().enumerate() {
            scope.spawn(move || client.say(beginning(number, most))); // it is taken when it is read
        }
        wait_for("a long line", || (told(&ketch, WAITING) > 100).then_some(()));
        waits_for_half_its_patience(&mut ketch.connect());
    });
    // Those who lost their place are told, and are in step.
    let mut stored = 0;
    for client in &mut stopped {
        client.say(format!("{}\r\nmn\r\n", "u".repeat(LARGE - most)));
        let line = client.line();
        assert!(line == "STORED" || line == NO_STORE, "{line}");
        stored += u64::from(line == "STORED");
        assert_eq!(client.line(), "MN");
    }
    assert_eq!(told(&ketch, REFUSED), 300 - stored);
    assert!(stored > 0, "a place that nobody wants is kept");
    holds(&ketch);
}

/// Each brings a little, often enough not to be silent.
#[test]
fn clients_that_bring_a_byte_at_a_time_keep_nobody_out() {
    let (_nodes, ketch) = over_four();
    let mut slow: Vec<_> = (0..100).map(|_| ketch.connect()).collect();
    for (number, client) in slow.iter_mut().enumerate() {
        client.say(beginning(number, 10_000));
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                slow.iter_mut().for_each(|client| client.say("u"));
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        wait_for("a long line", || (told(&ketch, WAITING) > 50).then_some(()));
        waits_for_half_its_patience(&mut ketch.connect());
        over.store(true, Relaxed);
    });
}

/// Their values will never be whole, and ketch has read that they have ended; it still owes them what a node is slow to say.
#[test]
fn clients_that_end_within_a_megabyte_keep_nobody_out() {
    let node = Memcached::start_with(&["-m", "256"]);
    let stuck = Fake::start(|talk| {
        while let Some(said) = talk.hear() {
            if said.line == "version" {
                talk.say("VERSION 1.6.18\r\n");
            }
        }
    });
    let pools = format!(
        "pools:\n  main: {{ nodes: [\"{}\"], {SLOWLY} }}\n  stuck: {{ nodes: [\"{}\"], request_timeout: 60s }}\n",
        node.address(),
        stuck.address()
    );
    let routes = "routes: [{ prefix: \"stuck:\", pool: stuck }, { pool: main }]\n";
    let ketch = Ketch::start(&format!("{LIMITS}{pools}{routes}"));
    let mut ended: Vec<_> = (0..100).map(|_| ketch.connect()).collect();
    std::thread::scope(|scope| {
        for (number, client) in ended.iter_mut().enumerate() {
            scope.spawn(move || {
                client.say(format!("get stuck:{number}\r\n{}", beginning(number, 100_000)));
                client.stream.shutdown(std::net::Shutdown::Write).unwrap();
            });
        }
    });
    wait_for("all to have asked", || (stuck.heard("get stuck:") == 100).then_some(()));
    let mut good: Vec<_> = (0..20).map(|_| ketch.connect()).collect();
    good.iter_mut().for_each(store);
    wait_for("what will not be whole to be given back", || (told(&ketch, HELD) < LARGE as u64).then_some(()));
    assert_eq!((told(&ketch, WAITING), told(&ketch, REFUSED)), (0, 0));
}

#[test]
fn announcements_of_which_nothing_comes_take_no_room() {
    let (_nodes, ketch) = over_four();
    let mut silent: Vec<_> = (0..300).map(|_| ketch.connect()).collect();
    for client in &mut silent {
        client.say(format!("set silent 0 0 {LARGE}\r\n"));
    }
    let mut good = ketch.connect();
    for _ in 0..20 {
        store(&mut good);
    }
    assert_eq!((told(&ketch, WAITING), told(&ketch, REFUSED)), (0, 0));
    for client in &mut silent {
        client.expect(format!("{}\r\n", "v".repeat(LARGE)), "STORED\r\n");
    }
}

/// What has to wait is not read; what is small goes past it.
#[test]
fn small_requests_are_served_while_large_values_wait() {
    let (_nodes, ketch) = over_four();
    let mut stopped: Vec<_> = (0..100).map(|_| ketch.connect()).collect();
    for (number, client) in stopped.iter_mut().enumerate() {
        client.say(beginning(number, 10_000));
    }
    wait_for("a long line", || (told(&ketch, WAITING) > 50).then_some(()));
    let value = "o".repeat(10_000);
    let mut client = ketch.connect();
    for number in 0..200 {
        client.expect(
            format!("set small{number} 0 0 10000\r\n{value}\r\nget small{number}\r\n"),
            format!("STORED\r\nVALUE small{number} 0 10000\r\n{value}\r\nEND\r\n"),
        );
    }
    drop(stopped);
    wait_for("the line to be empty", || (told(&ketch, WAITING) == 0).then_some(()));
    wait_for("all to be given back", || (told(&ketch, HELD) == 0).then_some(()));
}

/// The line of a `set` and so much of its value.
fn beginning(number: usize, most: usize) -> String {
    format!("set upload{number} 0 0 {LARGE}\r\n{}", "u".repeat(most))
}

/// The large value of a good client is stored.
fn store(client: &mut Client) {
    client.expect(format!("set good 0 0 {LARGE}\r\n{}\r\n", "g".repeat(LARGE)), "STORED\r\n");
}

/// Half of what a client waits for its place is the most that silent ones before it may take; and some to be stored.
fn waits_for_half_its_patience(client: &mut Client) {
    let (lag, asked) = (Lag::start(), Instant::now());
    store(client);
    let (waited, late) = (asked.elapsed(), lag.of_an_answer(asked));
    println!("a good client waited {waited:?}, {late:?} of it for the machine");
    assert!(waited < Duration::from_secs(8) + late, "a good client waited {waited:?}, {late:?} of it for the machine");
}

fn over_four() -> (Vec<Memcached>, Ketch) {
    let nodes: Vec<_> = (0..4).map(|_| Memcached::start_with(&["-m", "256"])).collect();
    let addresses: Vec<_> = nodes.iter().map(Memcached::address).collect();
    let ketch = Ketch::start_with_http(&format!("{LIMITS}{}", pool(&addresses, SLOWLY)));
    (nodes, ketch)
}

/// A few looks at what ketch says that it holds.
fn is_held_within(ketch: &Ketch) {
    for _ in 0..10 {
        let held = told(ketch, HELD);
        assert!(held <= MEMORY, "held {} MiB", held >> 20);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A whole figure of `/metrics`.
fn told(ketch: &Ketch, name: &str) -> u64 {
    metric(ketch, name) as u64
}

/// The process has never held more than it may.
fn holds(ketch: &Ketch) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", ketch.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let peak = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024;
    println!("held {} MiB at most", peak >> 20);
    assert!(peak <= MEMORY + BASE + KEPT, "held {} MiB", peak >> 20);
}
