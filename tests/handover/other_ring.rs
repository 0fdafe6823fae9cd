//! What can be read while not every ketch has the new ring: each sentence of the README, shown.

use std::time::{Duration, Instant};

use super::support::{Client, Ketch, Memcached, pool, wait_for};

/// Two nodes and two ketches over the first; then the pool is the second node.
struct Fleet {
    nodes: [Memcached; 2],
    /// It has changed to the new ring, and has a window open.
    ahead: Ketch,
    /// It still has the old ring.
    behind: Ketch,
}

impl Fleet {
    /// The old owner has `k` with the value `1`.
    fn start() -> Self {
        let nodes = [Memcached::start(), Memcached::start()];
        let [ahead, behind] = [0, 1].map(|_| Ketch::start(&Self::config(&nodes[0])));
        behind.connect().expect("set k 0 0 1\r\n1\r\n", "STORED\r\n");
        ahead.reconfigure(&Self::config(&nodes[1]));
        Self { nodes, ahead, behind }
    }

    fn config(node: &Memcached) -> String {
        pool(&[node.address()], "handover: 1m")
    }

    fn clients(&self) -> [Client; 2] {
        [self.ahead.connect(), self.behind.connect()]
    }
}

const MISS: &str = "END\r\n";

fn hit(value: &str) -> String {
    format!("VALUE k 0 {}\r\n{value}\r\nEND\r\n", value.len())
}

#[test]
fn what_is_written_or_deleted_on_the_new_ring_is_a_miss_on_the_old_one_and_never_an_older_value() {
    let fleet = Fleet::start();
    let [mut ahead, mut behind] = fleet.clients();
    ahead.expect("set k 0 0 1\r\n2\r\n", "STORED\r\n");
    behind.expect("get k\r\n", MISS);
    behind.expect("set k 0 0 1\r\n2\r\nget k\r\n", format!("STORED\r\n{}", hit("2")));
    ahead.expect("delete k\r\n", "DELETED\r\n");
    behind.expect("get k\r\n", MISS);
    ahead.expect("get k\r\n", MISS);
}

#[test]
fn what_is_written_on_the_old_ring_is_brought_unless_the_new_owner_has_a_copy() {
    let fleet = Fleet::start();
    let [mut ahead, mut behind] = fleet.clients();
    behind.expect("set k 0 0 1\r\n2\r\n", "STORED\r\n");
    ahead.expect("get k\r\n", hit("2"));
    // From here on the new owner has a copy of which the old ring knows nothing.
    behind.expect("set k 0 0 1\r\n3\r\n", "STORED\r\n");
    ahead.expect("get k\r\n", hit("2"));
    behind.expect("delete k\r\n", "DELETED\r\n");
    ahead.expect("get k\r\n", hit("2"));
    // It stays when all have changed, until its life is over or somebody writes it.
    fleet.behind.reconfigure(&Fleet::config(&fleet.nodes[1]));
    behind.expect("get k\r\n", hit("2"));
    behind.expect("touch k -1\r\nget k\r\n", format!("TOUCHED\r\n{MISS}"));
    ahead.expect("get k\r\n", MISS);
}

#[test]
fn a_copy_lives_no_longer_than_the_item() {
    let fleet = Fleet::start();
    let [mut ahead, mut behind] = fleet.clients();
    behind.expect("set k 0 2 1\r\n2\r\n", "STORED\r\n");
    ahead.expect("get k\r\n", hit("2"));
    behind.expect("set k 0 0 1\r\n3\r\n", "STORED\r\n");
    wait_for("the end of the copy's life", || {
        ahead.say("get k\r\n");
        let line = ahead.line();
        let value = (line != "END").then(|| ahead.line());
        assert!(value.is_none() || ahead.line() == "END");
        (value.as_deref() == Some("3")).then_some(())
    });
}

#[test]
fn a_window_that_ends_sooner_than_another_still_tells_the_old_owner_for_a_while() {
    let nodes = [Memcached::start(), Memcached::start()];
    let config = |node: usize, handover: &str| pool(&[nodes[node].address()], &format!("handover: {handover}"));
    let (sooner, later) = (Ketch::start(&config(0, "5s")), Ketch::start(&config(0, "1m")));
    sooner.connect().expect("set k 0 0 1\r\n1\r\nset l 0 0 1\r\n1\r\n", "STORED\r\nSTORED\r\n");
    sooner.reconfigure(&config(1, "5s"));
    later.reconfigure(&config(1, "1m"));
    let begun = Instant::now();
    let (mut first, mut second) = (sooner.connect(), later.connect());
    wait_for("the end of the time in which the old owner is asked", || {
        (begun.elapsed() > Duration::from_secs(5)).then_some(())
    });
    first.expect("get k\r\n", MISS);
    assert!(!sooner.log().contains("handover closed"));
    first.expect("delete k\r\n", "DELETED\r\n");
    second.expect("get k\r\n", MISS);
    second.expect("get l\r\n", "VALUE l 0 1\r\n1\r\nEND\r\n");
}

#[test]
fn a_ketch_that_starts_meanwhile_knows_of_no_window_and_does_not_tell_the_old_owner() {
    let fleet = Fleet::start();
    let started = Ketch::start(&Fleet::config(&fleet.nodes[1]));
    let ([mut ahead, _], mut started) = (fleet.clients(), started.connect());
    started.expect("get k\r\n", MISS);
    started.expect("delete k\r\n", "NOT_FOUND\r\n");
    ahead.expect("get k\r\n", hit("1"));
    // What has been handed over is one for all.
    started.expect("delete k\r\n", "DELETED\r\n");
    // With the windows closed nobody asks the old owner.
    fleet.ahead.reconfigure(&pool(&[fleet.nodes[1].address()], ""));
    ahead.expect("get k\r\n", MISS);
}
