//! How much of a pool may be out, and what becomes of the keys of those that are.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use support::load::{Lag, Placed, figure, logged, place, unless_the_machine_was_late, wait_for_log};
use support::{Client, Ketch, Memcached, pool, wait_for};

/// Probes alone put a dead node out within half a second.
const HEALTH: &str = "health: { probe_interval: 100ms, max_ejected: 50% }";
/// What is refused without asking anybody takes no longer.
const AT_ONCE: Duration = Duration::from_millis(50);

#[test]
fn past_it_nodes_are_held_and_fail_fast() {
    unless_the_machine_was_late(|| {
        let good = Memcached::start();
        let dead: Vec<_> = (0..3).map(|_| Dead::start()).collect();
        let mut nodes = vec![good.address()];
        nodes.extend(dead.iter().map(Dead::address));
        let (ketch, keys) = start(&nodes, "");
        wait_for_log(&ketch, "node ejected", 3);
        let held = |line: &&str| line.contains("node ejected") && line.contains("held=true");
        let log = ketch.log();
        let held = log.lines().find(held).unwrap().to_owned();
        let (mut refused, mut stored) = (0, 0);
        let (lag, begin) = (Lag::start(), Instant::now());
        let mut longest = Duration::ZERO;
        let mut client = ketch.connect();
        for placed in &keys {
            let asked = Instant::now();
            let answer = set(&mut client, &placed.key);
            longest = longest.max(asked.elapsed());
            let is_held = held.contains(&format!("node=\"{}\"", nodes[placed.owner]));
            assert_eq!(answer == "STORED", !is_held, "{answer} to {placed:?}; {held}");
            assert!(!is_held || answer == "SERVER_ERROR cache node unreachable", "{answer}");
            *(if is_held { &mut refused } else { &mut stored }) += 1;
        }
        println!("{stored} stored, {refused} refused by the node that is held, the longest wait {longest:?}");
        assert!(refused > 0 && stored > refused);
        assert!(longest <= AT_ONCE + lag.of_an_answer(begin), "{longest:?}");
        assert_eq!(figure(&ketch, "main:failed_unreachable"), refused);
    });
}

#[test]
fn the_only_node_is_held_and_is_back_with_the_first_good_probe() {
    unless_the_machine_was_late(|| {
        let dead = Dead::start();
        let nodes = [dead.address()];
        let (ketch, keys) = start(&nodes, "");
        wait_for_log(&ketch, "node ejected", 1);
        let mut client = ketch.connect();
        let begin = Instant::now();
        for placed in &keys {
            assert_eq!(set(&mut client, &placed.key), "SERVER_ERROR cache node unreachable");
            client.expect(format!("get {}\r\n", placed.key), "END\r\n");
        }
        let each = begin.elapsed() / (2 * keys.len() as u32);
        let _node = dead.revive();
        let back = wait_for_log(&ketch, "node readmitted", 1);
        println!("{each:?} a request while held, back {back:?} after the start");
        assert_eq!(set(&mut client, "key0"), "STORED");
        assert_eq!(logged(&ketch, "node ejected"), 1);
    });
}

#[test]
fn a_node_that_is_held_goes_out_once_another_is_in() {
    unless_the_machine_was_late(|| {
        let good = Memcached::start();
        let mut dead = vec![Dead::start(), Dead::start()];
        let nodes = [good.address(), dead[0].address(), dead[1].address()];
        let (ketch, keys) = start(&nodes, ""); // a half of three is one
        wait_for_log(&ketch, "node ejected", 2);
        let held =
            usize::from(!ketch.log().lines().any(|line| line.contains("held=true") && line.contains(&nodes[1]))) + 1;
        let own = &keys.iter().find(|placed| placed.owner == held).unwrap().key;
        let mut client = ketch.connect();
        assert_eq!(set(&mut client, own), "SERVER_ERROR cache node unreachable");
        let _back = dead.remove(2 - held).revive();
        wait_for_log(&ketch, "node readmitted", 1);
        wait_for("the keys of the one that was held to go elsewhere", || {
            (set(&mut client, own) == "STORED").then_some(())
        });
    });
}

#[test]
fn on_ejected_miss_reads_miss_and_writes_are_refused() {
    unless_the_machine_was_late(|| {
        on_ejected("on_ejected: miss, reads_on_error: error", "END");
        on_ejected("on_ejected: miss, reads_on_error: miss", "END");
    });
}

#[test]
fn on_ejected_error_both_are_refused() {
    unless_the_machine_was_late(|| {
        on_ejected("on_ejected: error, reads_on_error: miss", "SERVER_ERROR cache node is ejected");
        on_ejected("on_ejected: error, reads_on_error: error", "SERVER_ERROR cache node is ejected");
    });
}

fn on_ejected(settings: &str, to_get: &str) {
    let (good, dead) = (Memcached::start(), Dead::start());
    let (ketch, keys) = start(&[good.address(), dead.address()], settings);
    wait_for_log(&ketch, "node ejected", 1);
    let own = &keys.iter().find(|placed| placed.owner == 1).unwrap().key;
    let other = &keys.iter().find(|placed| placed.owner == 0).unwrap().key;
    let mut client = ketch.connect();
    let before = figure(&ketch, "main:failed_ejected");
    assert_eq!(client.ask(&format!("get {own}")), to_get);
    assert_eq!(set(&mut client, own), "SERVER_ERROR cache node is ejected");
    assert_eq!(figure(&ketch, "main:failed_ejected"), before + 2, "counted either way");
    assert_eq!(set(&mut client, other), "STORED");
    let both = client.ask(&format!("get {own} {other}"));
    let tail = if to_get == "END" { format!("VALUE {other} 0 1") } else { to_get.to_owned() };
    assert_eq!(both, tail, "to a get of both");
}

#[test]
fn reads_on_error_miss_or_error_counted_either_way() {
    unless_the_machine_was_late(|| {
        for (settings, to_get) in
            [("reads_on_error: miss", "END"), ("reads_on_error: error", "SERVER_ERROR cache node unreachable")]
        {
            let (good, dead) = (Memcached::start(), Dead::start());
            // It is never put out: every answer is that of a node that cannot be reached.
            let nodes = [good.address(), dead.address()];
            let health = "health: { probe_interval: 1h, eject_after: 1000 }";
            let ketch = Ketch::start(&pool(&nodes, &format!("{settings}, {health}")));
            let keys = place(&ketch, &nodes, (0..20).map(|number| format!("key{number}")));
            let own = &keys.iter().find(|placed| placed.owner == 1).unwrap().key;
            let mut client = ketch.connect();
            let before = figure(&ketch, "main:failed_unreachable");
            assert_eq!(client.ask(&format!("get {own}")), to_get);
            assert_eq!(client.ask(&format!("delete {own}")), "SERVER_ERROR cache node unreachable");
            assert_eq!(figure(&ketch, "main:failed_unreachable"), before + 2);
        }
    });
}

/// A port on which connections are refused, and which nobody else is given until it is dropped.
struct Dead {
    port: u16,
    _bound: socket2::Socket,
}

impl Dead {
    fn start() -> Self {
        let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let port = bound.local_addr().unwrap().as_socket().unwrap().port();
        Self { port, _bound: bound }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Somebody answers there from now on.
    fn revive(self) -> Memcached {
        let port = self.port;
        drop(self);
        Memcached::start_on(port, &[])
    }
}

fn start(nodes: &[String], settings: &str) -> (Ketch, Vec<Placed>) {
    let settings = if settings.is_empty() { HEALTH.to_owned() } else { format!("{settings}, {HEALTH}") };
    let ketch = Ketch::start(&pool(nodes, &settings));
    let keys = place(&ketch, nodes, (0..60).map(|number| format!("key{number}")));
    (ketch, keys)
}

fn set(client: &mut Client, key: &str) -> String {
    client.ask(&format!("set {key} 0 0 1\r\nx"))
}
