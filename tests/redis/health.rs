//! A Redis server that was out comes back without what was overwritten meanwhile.

use super::support::load::unless_the_machine_was_late;
use super::support::redis::{Redis, pool};
use super::support::{Client, Ketch, wait_for};

fn over_two() -> ([Redis; 2], Ketch) {
    let nodes = [Redis::start(), Redis::start()];
    let health = "health: { probe_interval: 50ms, probe_timeout: 300ms, eject_after: 2, readmit_after: 1 }";
    let settings = format!("connect_timeout: 1s, request_timeout: 1s, {health}");
    let ketch = Ketch::start(&(pool(&nodes, &settings) + "workers: 1\n"));
    (nodes, ketch)
}

/// Stops a server until ketch has put it out.
fn put_out(node: &Redis, ketch: &Ketch) {
    let before = ketch.log().matches("node ejected").count();
    node.process.signal("STOP");
    wait_for("the server to be put out", || (ketch.log().matches("node ejected").count() > before).then_some(()));
}

fn readmitted(ketch: &Ketch) -> bool {
    ketch.log().contains("node readmitted")
}

fn set(client: &mut Client, keys: usize, value: &str) {
    for number in 0..keys {
        client.expect(format!("set key-{number} 1 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
    }
}

#[test]
fn what_was_written_elsewhere_is_deleted_on_it() {
    unless_the_machine_was_late(|| {
        let (nodes, ketch) = over_two();
        let mut client = ketch.connect();
        set(&mut client, 50, "old");
        let held = nodes[0].ask("DBSIZE").text();
        assert!(held != "0" && held != "50", "{held}");
        put_out(&nodes[0], &ketch);
        set(&mut client, 50, "new");
        nodes[0].process.signal("CONT");
        wait_for("the server to be let in", || readmitted(&ketch).then_some(()));
        for number in 0..50 {
            client.say(format!("get key-{number}\r\n"));
            let line = client.line();
            if line != "END" {
                assert_eq!((client.line(), client.line()), ("new".into(), "END".into()), "{line}");
            }
        }
        assert_eq!(nodes[0].ask("DBSIZE").text(), "0", "all of its keys were written elsewhere");
    });
}

#[test]
fn where_too_much_was_written_it_waits_to_be_emptied() {
    unless_the_machine_was_late(|| {
        let (nodes, ketch) = over_two();
        let mut client = ketch.connect();
        set(&mut client, 50, "old");
        put_out(&nodes[0], &ketch);
        // More keys than are noted one by one.
        let long = "k".repeat(200);
        let said: String = (0..20_000).map(|number| format!("set {number}-{long} 0 0 1 noreply\r\nx\r\n")).collect();
        client.say(said);
        client.expect("mn\r\n", "MN\r\n");
        nodes[0].process.signal("CONT");
        wait_for("a word on it", || ketch.log().contains("flush_all is disabled for pool main").then_some(()));
        assert!(!readmitted(&ketch) && nodes[0].ask("DBSIZE").text() != "0", "nobody may flush it but its owner");
        nodes[0].ask("FLUSHDB");
        wait_for("the server to be let in", || readmitted(&ketch).then_some(()));
    });
}
