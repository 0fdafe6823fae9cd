//! Promise: with one node behind it ketch cannot be told from memcached.
//!
//! Random sequences of commands are said to a real memcached and to ketch, and the bytes that come back must be
//! the same, as must be whether the connection is closed. What may differ stands in `differential/exceptions.rs`,
//! what cannot be compared in `differential/generate.rs`, each with its reason.
//!
//! `KETCH_DIFFERENTIAL_CASES=20000 KETCH_TEST_SEED=random` run more cases, and others.

mod support;

mod differential {
    pub mod case;
    pub mod cases;
    pub mod drive;
    pub mod exceptions;
    pub mod generate;
    pub mod malform;
    pub mod meta;
    pub mod meta_cases;
    pub mod redis;
    pub mod runner;
    pub mod shrink;
}

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use differential::cases::{self, Named};
use differential::exceptions::Subject;
use differential::runner::{Outcome, Pair, Plan, check, run};
use support::cluster::Cluster;
use support::redis::{self, Redis};
use support::{Client, Ketch, Memcached};

/// A memcached that repeats itself: with room for all items of a long run, so that eviction decides nothing, and
/// without the threads that hold items now and then, whereupon `decr` makes a new item instead of padding the old.
fn memcached() -> Memcached {
    Memcached::start_with(&["-m", "1024", "-o", "no_lru_maintainer,no_lru_crawler"])
}

fn address(memcached: &Memcached) -> SocketAddr {
    ([127, 0, 0, 1], memcached.port).into()
}

/// Fails with every difference.
fn accept(plan: Plan, outcome: Outcome) {
    for (_, why) in &outcome.differences {
        println!("{why}\n");
    }
    let (different, unrepeatable) = (outcome.differences.len(), outcome.unrepeatable.len());
    println!("{plan:?}: {different} differences, {unrepeatable} cases that memcached itself does not repeat");
    assert!(different == 0, "{different} differences; the shortest cases stand above");
    // Such cases prove nothing; more of them than this and the generator is at fault.
    if unrepeatable as u64 > plan.cases / 2000 {
        panic!("{unrepeatable} cases prove nothing:\n{}", outcome.unrepeatable.join("\n"));
    }
}

/// ketch over one embedded store.
fn embedded() -> Ketch {
    Ketch::start("pools: { main: { protocol: embedded, nodes: [a], memory: 1GiB } }\nroutes: [{ pool: main }]")
}

#[test]
fn ketch_over_memcached_is_memcached() {
    let servers: Vec<Memcached> = (0..4).map(|_| memcached()).collect();
    let ketches = [Ketch::over(&servers[1..2]), Ketch::over(&servers[3..4])];
    let pair =
        |at: usize| Pair { real: address(&servers[2 * at]), other: ketches[at].memcached, subject: Subject::Memcached };
    accept_named(pair(1));
    let plan = Plan::from_environment(2_000);
    accept(plan, run(plan, pair(0), pair(1)));
}

#[test]
fn ketch_embedded_is_memcached() {
    let (servers, ketches) = ([memcached(), memcached()], [embedded(), embedded()]);
    let pair =
        |at: usize| Pair { real: address(&servers[at]), other: ketches[at].memcached, subject: Subject::Embedded };
    accept_named(pair(1));
    let plan = Plan::from_environment(2_000);
    accept(plan, run(plan, pair(0), pair(1)));
}

/// With the exceptions of `differential/redis.rs`.
#[test]
fn ketch_over_redis_is_memcached() {
    let servers = [memcached(), memcached()];
    let ketches = [(); 2].map(|()| {
        let nodes = [Redis::start()];
        let ketch = Ketch::start(&redis::pool(&nodes, "flush: true"));
        (nodes, ketch)
    });
    let pair =
        |at: usize| Pair { real: address(&servers[at]), other: ketches[at].1.memcached, subject: Subject::Redis };
    let plan = Plan::from_environment(2_000);
    accept(plan, run(plan, pair(0), pair(1)));
}

#[test]
fn ketch_over_a_redis_cluster_is_memcached() {
    let servers = [memcached(), memcached()];
    let clusters = [Cluster::start(), Cluster::start()];
    let ketches = [0, 1].map(|at: usize| Ketch::start(&clusters[at].pool("flush: true")));
    let pair = |at: usize| Pair { real: address(&servers[at]), other: ketches[at].memcached, subject: Subject::Redis };
    let plan = Plan::from_environment(1_000);
    accept(plan, run(plan, pair(0), pair(1)));
}

/// What PROTOCOL.md gives to ketch itself: said, and what ketch answers.
#[test]
fn ketch_answers_for_itself() {
    let node = memcached();
    for ketch in [Ketch::over(std::slice::from_ref(&node)), embedded()] {
        let mut client = ketch.connect();
        assert_eq!(client.ask("version"), format!("VERSION {}", env!("CARGO_PKG_VERSION")));
        // Nothing of these servers is the client's to change or to watch.
        for line in [
            "cache_memlimit 64",
            "lru mode flat",
            "lru_crawler enable",
            "lru_crawler metadump all",
            "slabs automove 1",
            "slabs reassign 1 2",
            "watch fetchers",
            "extstore item_age 1",
        ] {
            let answer = client.ask(line);
            assert!(answer.contains("ERROR"), "to {line}: {answer}");
            client.expect("mn\r\n", "MN\r\n");
        }
        // The key is "a\r\nVA 6\r\nEVIL". memcached would echo it raw, and the next read would hear what stands in it.
        client.expect(
            "mg YQ0KVkEgNg0KRVZJTA== b N30 k\r\nmg victim v\r\nget victim\r\nme YQ0KVkEgNg0KRVZJTA== b\r\nmn\r\n",
            "HD kYQ0KVkEgNg0KRVZJTA== b W\r\nEN\r\nEND\r\nCLIENT_ERROR bad command line format\r\nMN\r\n",
        );
        // The binary protocol is closed without a word.
        let mut binary = Client::connect(ketch.memcached);
        binary.say(b"\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(binary.rest(), b"");
    }
}

#[test]
fn memcached_is_memcached() {
    let servers: Vec<Memcached> = (0..4).map(|_| memcached()).collect();
    let pair =
        |at: usize| Pair { real: address(&servers[at]), other: address(&servers[at + 1]), subject: Subject::Memcached };
    let plan = Plan::from_environment(500);
    accept(plan, run(plan, pair(0), pair(2)));
}

#[test]
fn memcached_repeats_the_named_cases() {
    let (real, other) = (memcached(), memcached());
    accept_named(Pair { real: address(&real), other: address(&other), subject: Subject::Memcached });
}

/// Fails with every named case that differs.
fn accept_named(pair: Pair) {
    let all = cases::all();
    let asked = |named: &&Named| pair.subject == Subject::Memcached || named.embedded;
    let reports: Vec<String> = all.iter().filter(asked).flat_map(|named| check(pair, named)).collect();
    assert!(reports.is_empty(), "{} named cases differ:\n{}", reports.len(), reports.join("\n"));
}

#[test]
fn a_difference_is_found_and_made_short() {
    let servers: Vec<Memcached> = (0..4).map(|_| memcached()).collect();
    let pair = |at: usize| Pair {
        real: address(&servers[at]),
        other: liar(address(&servers[at + 1])),
        subject: Subject::Memcached,
    };
    let plan = Plan { cases: 300, seed: 1 };
    let outcome = run(plan, pair(0), pair(2));
    assert!(!outcome.differences.is_empty(), "nobody saw the lie");
    for (case, why) in &outcome.differences {
        assert!(case.commands() <= 2, "a set and a touch are enough: {why}");
        assert!(why.contains("TOUCHED") && why.contains("TOUCHEE"), "{why}");
    }
}

/// Stands before a memcached and tells one lie.
fn liar(memcached: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(memcached).unwrap());
            let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || relay(client_too, server_too, |bytes| bytes));
            std::thread::spawn(move || {
                relay(server, client, |bytes| {
                    String::from_utf8(bytes)
                        .map_or_else(|error| error.into_bytes(), |text| text.replace("TOUCHED", "TOUCHEE").into_bytes())
                });
            });
        }
    });
    address
}

fn relay(mut from: TcpStream, mut to: TcpStream, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        if to.write_all(&change(chunk[..length].to_vec())).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
