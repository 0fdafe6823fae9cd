//! No stale reads after a flap: what was written or deleted elsewhere while a node was out is gone from it before it
//! answers again, and gone from its stand-in before the next flap.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use support::fake::{Fake, relay};
use support::load::{Lag, place, told, unless_the_machine_was_late, wait_for_log};
use support::{Client, Ketch, Memcached, pool, wait_for};

const HEALTH: &str = "request_timeout: 1s, health: { probe_interval: 100ms, probe_timeout: 300ms, eject_after: 2 }";

#[test]
fn replay_forgets_what_was_written_elsewhere_and_only_that() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("readmit: replay");
        let stale = world.flap_while_reading();
        assert_eq!(stale, 0);
        assert_eq!(world.read("untouched"), Some("v1".to_owned()));
        assert_eq!(world.stat("cmd_flush"), 0);
    });
}

#[test]
fn flush_forgets_everything() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("readmit: flush");
        let stale = world.flap_while_reading();
        assert_eq!(stale, 0);
        assert_eq!(world.read("untouched"), None);
        assert!(world.stat("cmd_flush") > 0);
    });
}

/// Proves that the others can fail.
#[test]
fn keep_forgets_nothing_and_stale_values_are_read() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("readmit: keep");
        let stale = world.flap_while_reading();
        println!("{stale} stale reads");
        assert!(stale > 0);
        assert_eq!(world.read("written"), Some("v1".to_owned()));
        assert_eq!(world.read("deleted"), Some("v1".to_owned()));
        assert_eq!(world.read_binary(), Some("v1".to_owned()));
    });
}

#[test]
fn a_second_flap_does_not_bring_back_what_the_stand_in_was_told_in_the_first() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("");
        for round in 1..4 {
            world.write("written", &format!("before {round}"));
            world.stop();
            let seen = world.read("written");
            assert_eq!(seen, None, "at the beginning of outage {round}");
            world.write("written", &format!("within {round}"));
            world.go_on();
            let seen = world.read("written");
            assert_eq!(seen, None, "after outage {round}");
        }
    });
}

#[test]
fn nor_does_it_where_the_node_came_back_empty() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("");
        world.write("written", "before");
        world.stop_for_good();
        world.write("written", "within");
        world.start_again();
        world.write("written", "after");
        world.stop();
        assert_eq!(world.read("written"), None, "the stand-in still has what it was told in the first outage");
    });
}

/// Two nodes are out at once, and come back in the order in which they went, or in the other.
#[test]
fn what_a_second_stand_in_was_told_is_known_to_the_first() {
    unless_the_machine_was_late(|| {
        for first_back in [0, 1] {
            let nodes: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
            let addresses: Vec<_> = nodes.iter().map(Memcached::address).collect();
            let ketch = Ketch::start(&pool(&addresses, &HEALTH.replace("health: {", "health: { max_ejected: 70%,")));
            let placed = place(&ketch, &addresses, ["k".to_owned()]).remove(0);
            // The owner, and who stands in for it.
            let nodes = [&nodes[placed.owner], &nodes[placed.next[0]]];
            let mut client = ketch.connect();
            let (mut outages, mut returns) = (0, 0);
            let mut stop = |node: &Memcached| {
                node.process.signal("STOP");
                outages += 1;
                wait_for_log(&ketch, "node ejected", outages);
            };
            let mut go_on = |node: &Memcached| {
                node.process.signal("CONT");
                returns += 1;
                wait_for_log(&ketch, "node readmitted", returns);
            };
            let read = |client: &mut Client| read(client, "mg k v");

            client.expect("set k 0 0 2\r\nv1\r\n", "STORED\r\n");
            stop(nodes[0]);
            client.expect("set k 0 0 2\r\nv2\r\n", "STORED\r\n");
            stop(nodes[1]);
            client.expect("set k 0 0 2\r\nv3\r\n", "STORED\r\n");
            go_on(nodes[first_back]);
            assert_eq!(read(&mut client), None, "{first_back} is back");
            client.expect("set k 0 0 2\r\nv4\r\n", "STORED\r\n");
            go_on(nodes[1 - first_back]);
            let seen = read(&mut client);
            assert!(seen.is_none() || first_back == 0 && seen.as_deref() == Some("v4"), "both are back: {seen:?}");
            client.expect("set k 0 0 2\r\nv5\r\n", "STORED\r\n");
            stop(nodes[0]);
            assert_eq!(read(&mut client), None, "the owner is out again");
            stop(nodes[1]);
            assert_eq!(read(&mut client), None, "both are out again");
            nodes.iter().for_each(|node| node.process.signal("CONT"));
        }
    });
}

/// Past 1 MiB of keys the node is flushed, since nobody knows what it must forget.
#[test]
fn more_keys_than_the_journal_holds_come_to_a_flush() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("");
        world.write("written", "v1");
        world.write("untouched", "v1");
        world.stop();
        world.write("written", "v2");
        let many = 10_000;
        world.fill(many);
        world.go_on();
        let flushes = world.stat("cmd_flush");
        println!("{flushes} flushes after {many} long keys");
        assert_eq!(world.read("written"), None);
        assert_eq!(world.read("untouched"), None);
        assert!(flushes > 0);
    });
}

/// A flush_all that could not reach the node reaches it before it is in again.
#[test]
fn a_flush_while_it_is_out_is_made_good() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("");
        world.write("untouched", "v1");
        world.stop();
        assert_eq!(world.client.ask("flush_all"), "SERVER_ERROR flush_all failed on 1 of 2 nodes");
        world.go_on();
        assert_eq!(world.read("untouched"), None);
    });
}

/// Nothing needs to be deleted on a node that was started after it was put out.
#[test]
fn a_node_that_came_back_empty_is_told_nothing() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("");
        world.write("written", "v1");
        world.stop_for_good();
        world.write("written", "v2");
        world.start_again();
        assert_eq!(world.read("written"), None);
        let told = (world.stat("delete_hits") + world.stat("delete_misses"), world.stat("cmd_flush"));
        assert_eq!(told, (0, 0), "deletes and flushes");
    });
}

/// Writers that never rest must not keep a well node out.
#[test]
fn a_node_is_let_in_under_a_stream_of_writes() {
    unless_the_machine_was_late(|| {
        let mut world = World::start("");
        world.stop();
        let (late, begin) = (Lag::start(), Instant::now());
        let over = AtomicBool::new(false);
        let address = world.ketch.memcached;
        let (back, writes) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|number| {
                    let over = &over;
                    scope.spawn(move || pour(&mut Client::connect(address), number, over))
                })
                .collect();
            let end = End(&over);
            let back = world.go_on();
            drop(end);
            (back, writers.into_iter().map(|writer| writer.join().unwrap()).sum::<usize>())
        });
        println!("back after {back:?} under {} writes a second", writes as u128 * 1000 / back.as_millis());
        assert!(back < Duration::from_secs(3) + late.of_an_answer(begin), "{back:?}");
    });
}

/// Nor where it is so far away that there are always writes that it does not know of yet.
#[test]
fn a_far_node_is_let_in_under_a_stream_of_writes() {
    unless_the_machine_was_late(|| {
        let (near, far) = (Memcached::start(), Memcached::start());
        let (port, is_there) = (far.port, Arc::new(AtomicBool::new(true)));
        let gate = is_there.clone();
        let road = Fake::start(move |talk| {
            relay(talk, port, 1 << 16, |_| {
                std::thread::sleep(Duration::from_millis(5)); // the length of the road, not a condition
                gate.load(SeqCst)
            });
        });
        let nodes = [near.address(), road.address()];
        let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&nodes, HEALTH)));
        let keys = place(&ketch, &nodes, (0..60).map(|number| format!("key{number}")));
        let own: Vec<_> = keys.into_iter().filter(|key| key.owner == 1).map(|key| key.key).collect();
        own.iter().for_each(|key| ketch.connect().expect(format!("set {key} 0 0 1\r\n0\r\n"), "STORED\r\n"));
        is_there.store(false, SeqCst);
        wait_for_log(&ketch, "node ejected", 1);
        let (late, begin) = (Lag::start(), Instant::now());
        let over = AtomicBool::new(false);
        let (back, reads) = std::thread::scope(|scope| {
            let (over, address) = (&over, ketch.memcached);
            for number in 0..4 {
                scope.spawn(move || pour(&mut Client::connect(address), number, over));
            }
            let counts: Vec<_> = own.iter().take(3).map(|key| scope.spawn(move || count(address, key, over))).collect();
            let end = End(over);
            is_there.store(true, SeqCst);
            let back = wait_for_log(&ketch, "node readmitted", 1);
            let until = Instant::now() + Duration::from_millis(300);
            wait_for("more reads", || (Instant::now() > until).then_some(()));
            drop(end);
            (back, counts.into_iter().map(|count| count.join().unwrap()).sum::<usize>())
        });
        println!("back after {back:?}, {reads} reads meanwhile");
        assert!(back < Duration::from_secs(3) + late.of_an_answer(begin), "{back:?}");
    });
}

/// Counts upward in `key`, and reads what it wrote or nothing, but never less; how often.
fn count(address: std::net::SocketAddr, key: &str, over: &AtomicBool) -> usize {
    let mut client = Client::connect(address);
    for number in 1.. {
        if over.load(SeqCst) {
            return number;
        }
        let value = number.to_string();
        let answer = client.ask(&format!("set {key} 0 0 {}\r\n{value}", value.len()));
        let seen = read(&mut client, &format!("mg {key} v"));
        assert!(answer != "STORED" || seen.is_none() || seen == Some(value), "{answer} to {number}, and then {seen:?}");
    }
    0
}

fn pour(client: &mut Client, number: usize, over: &AtomicBool) -> usize {
    let mut writes = 0;
    while !over.load(SeqCst) {
        let batch: String = (0..200).map(|key| format!("set w{number}-{key} 0 0 1\r\nx\r\n")).collect();
        client.say(batch);
        for _ in 0..200 {
            let answer = client.line();
            assert!(answer == "STORED" || answer.starts_with("SERVER_ERROR "), "{answer}");
        }
        writes += 200;
    }
    writes
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Two nodes; the second is the one that flaps, and all keys of the tests are its own.
struct World {
    ketch: Ketch,
    client: Client,
    _other: Memcached,
    node: Memcached,
    /// By the name that the tests give it: the key.
    keys: Vec<(&'static str, String)>,
    outages: usize,
}

/// "binary" with a byte that no line can carry, as base64; both nodes are tried until it is the second's.
const BINARY: &str = "AGJpbmFyeQ==";

impl World {
    fn start(settings: &str) -> Self {
        loop {
            let (other, node) = (Memcached::start(), Memcached::start());
            let nodes = [other.address(), node.address()];
            let settings = if settings.is_empty() { HEALTH.to_owned() } else { format!("{settings}, {HEALTH}") };
            let ketch = Ketch::start(&format!("workers: 2\n{}", pool(&nodes, &settings)));
            let placed = place(&ketch, &nodes, (0..60).map(|number| format!("key{number}")));
            let mut own = placed.into_iter().filter(|placed| placed.owner == 1).map(|placed| placed.key);
            let keys = ["written", "deleted", "untouched"].map(|name| (name, own.next().unwrap())).into();
            let mut client = ketch.connect();
            client.expect(format!("ms {BINARY} 2 b\r\nv1\r\n"), "HD\r\n");
            if node_client(&node).ask(&format!("mg {BINARY} b")) == "HD" {
                return Self { ketch, client, _other: other, node, keys, outages: 0 };
            }
        }
    }

    fn key(&self, name: &str) -> &str {
        &self.keys.iter().find(|(other, _)| *other == name).unwrap().1
    }

    fn write(&mut self, name: &str, value: &str) {
        let line = format!("set {} 0 0 {}\r\n{value}", self.key(name), value.len());
        assert_eq!(self.client.ask(&line), "STORED");
    }

    fn read(&mut self, name: &str) -> Option<String> {
        let key = self.key(name).to_owned();
        read(&mut self.client, &format!("mg {key} v"))
    }

    fn read_binary(&mut self) -> Option<String> {
        read(&mut self.client, &format!("mg {BINARY} b v"))
    }

    /// A figure of the flapping node's own `stats`.
    fn stat(&self, name: &str) -> u64 {
        told(&mut node_client(&self.node), "stats", name)
    }

    /// Long keys, of which about half are the flapping node's.
    fn fill(&mut self, count: usize) {
        for first in (0..count).step_by(100) {
            let sets = (first..first + 100).map(|number| format!("set {number:0>240} 0 0 1\r\nx\r\n"));
            self.client.say(sets.collect::<String>());
            (0..100).for_each(|_| assert_eq!(self.client.line(), "STORED"));
        }
    }

    fn stop(&mut self) {
        self.node.process.signal("STOP");
        self.wait_until_out();
    }

    fn stop_for_good(&mut self) {
        self.node.process.kill();
        self.wait_until_out();
    }

    fn wait_until_out(&mut self) {
        self.outages += 1;
        wait_for_log(&self.ketch, "node ejected", self.outages);
    }

    /// How long it took to be let in.
    fn go_on(&mut self) -> Duration {
        self.node.process.signal("CONT");
        wait_for_log(&self.ketch, "node readmitted", self.outages)
    }

    /// As long after the end as it takes to tell by the uptime that it is another process: memcached counts it in
    /// whole seconds, from 2 on.
    fn start_again(&mut self) {
        std::thread::sleep(Duration::from_millis(4500)); // the length of the outage, not a condition
        self.node = Memcached::start_on(self.node.port, &[]);
        wait_for_log(&self.ketch, "node readmitted", self.outages);
    }

    /// Writes, deletes and lets be while the node is stopped; others read all the while. How many of their reads
    /// saw what had been overwritten or deleted before.
    fn flap_while_reading(&mut self) -> usize {
        ["written", "deleted", "untouched"].iter().for_each(|name| self.write(name, "v1"));
        self.stop();
        self.write("written", "v2");
        let delete = format!("delete {}", self.key("deleted"));
        assert_eq!(self.client.ask(&delete), "NOT_FOUND");
        self.client.expect(format!("ms {BINARY} 2 b\r\nv2\r\n"), "HD\r\n");
        assert_eq!(self.read("written"), Some("v2".to_owned()));
        let over = AtomicBool::new(false);
        let (address, keys) = (self.ketch.memcached, self.keys.clone());
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    let (keys, over) = (&keys, &over);
                    scope.spawn(move || stale_reads(&mut Client::connect(address), keys, over))
                })
                .collect();
            let end = End(&over);
            self.go_on();
            let until = Instant::now() + Duration::from_millis(300);
            wait_for("more reads", || (Instant::now() > until).then_some(()));
            drop(end);
            readers.into_iter().map(|reader| reader.join().unwrap()).sum()
        })
    }
}

fn node_client(node: &Memcached) -> Client {
    Client::connect(([127, 0, 0, 1], node.port).into())
}

fn read(client: &mut Client, line: &str) -> Option<String> {
    match client.ask(line).as_str() {
        line if line.starts_with("EN") => None,
        line if line.starts_with("VA ") => Some(client.line()),
        line => panic!("{line}"),
    }
}

fn stale_reads(client: &mut Client, keys: &[(&str, String)], over: &AtomicBool) -> usize {
    let mut stale = 0;
    while !over.load(SeqCst) {
        let lines = [format!("mg {} v", keys[0].1), format!("mg {} v", keys[1].1), format!("mg {BINARY} b v")];
        stale += lines.iter().filter(|line| read(client, line).as_deref() == Some("v1")).count();
    }
    stale
}
