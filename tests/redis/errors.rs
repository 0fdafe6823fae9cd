//! What Redis refuses: a clear line for the client, the connection in step, a reason counted.

use super::support::redis::{Redis, Wire, pool};
use super::support::{Client, Ketch, Memcached, wait_for};

fn over_one(node: Redis, settings: &str) -> (Redis, Ketch) {
    let nodes = [node];
    let ketch = Ketch::start(&pool(&nodes, settings));
    let [node] = nodes;
    (node, ketch)
}

/// How often the pool counted this reason.
pub fn counted(client: &mut Client, reason: &str) -> u64 {
    client.say("stats ketch\r\n");
    let name = format!("STAT main:refused_{reason} ");
    let mut count = None;
    loop {
        let line = client.line();
        if line == "END" {
            return count.unwrap_or_else(|| panic!("nothing counts {reason}"));
        }
        count = line.strip_prefix(&name).map(|count| count.parse().unwrap()).or(count);
    }
}

#[test]
fn scripts_that_were_flushed_are_sent_again() {
    let (node, ketch) = over_one(Redis::start(), "");
    let mut client = ketch.connect();
    client.expect("set n 0 0 1\r\n1\r\nincr n 1\r\n", "STORED\r\n2\r\n");
    for round in 0..3 {
        assert_eq!(node.ask("SCRIPT FLUSH").text(), "OK");
        client.expect("append n 0 0 1\r\n0\r\n", "STORED\r\n");
        client.expect("incr n 1\r\n", if round == 0 { "21\r\n" } else { "1\r\n" });
        client.expect(
            "ma n D4 v\r\nma n MD D4 v\r\n",
            if round == 0 { "VA 2\r\n25\r\nVA 2\r\n21\r\n" } else { "VA 1\r\n5\r\nVA 1\r\n1\r\n" },
        );
        client.expect("gets none\r\nmd n C1\r\ncas n 0 0 1 1\r\nx\r\n", "END\r\nEX\r\nEXISTS\r\n");
        client.expect("set n 0 0 0\r\n\r\n", "STORED\r\n");
    }
    // Many at once, nothing of them twice.
    client.expect("set n 0 0 1\r\n0\r\n", "STORED\r\n");
    node.ask("SCRIPT FLUSH");
    client.say("incr n 1\r\n".repeat(100));
    let mut heard: Vec<u64> = (0..100).map(|_| client.line().parse().unwrap()).collect();
    heard.sort_unstable();
    assert_eq!(heard, (1..=100).collect::<Vec<_>>());
    assert_eq!(counted(&mut client, "noscript"), 0, "clients never hear of it");
}

#[test]
fn a_key_of_another_type() {
    let (node, ketch) = over_one(Redis::start(), "");
    let mut client = ketch.connect();
    node.ask("RPUSH list x");
    let wrong = "SERVER_ERROR WRONGTYPE Operation against a key holding the wrong kind of value";
    for said in [
        "get list",
        "gets list",
        "gat 10 list",
        "incr list 1",
        "append list 0 0 1\r\nx",
        "cas list 0 0 1 1\r\nx",
        "mg list v",
        "ma list",
        "md list C1",
        "ms list 1 C1\r\nx",
    ] {
        client.expect(format!("{said}\r\nmn\r\n"), format!("{wrong}\r\nMN\r\n"));
    }
    assert_eq!(counted(&mut client, "wrongtype"), 10);
    // Of several keys it is the one that misses.
    client.expect("set k 0 0 1\r\nx\r\nget k list\r\n", "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
    client.expect("set list 0 0 1\r\nx\r\nget list\r\n", "STORED\r\nVALUE list 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn a_server_without_memory() {
    let (node, ketch) = over_one(Redis::start(), "");
    let mut client = ketch.connect();
    client.expect("set k 0 0 1\r\n1\r\n", "STORED\r\n");
    node.ask("CONFIG SET maxmemory 1");
    for said in ["set k 0 0 1\r\nx", "incr k 1", "append k 0 0 1\r\nx"] {
        let heard = client.ask(said);
        assert!(heard.starts_with("SERVER_ERROR OOM command not allowed when used memory > 'maxmemory'"), "{heard}");
    }
    client.expect("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
    assert_eq!(counted(&mut client, "oom"), 3);
}

#[test]
fn a_replica_that_takes_no_writes() {
    let (node, ketch) = over_one(Redis::start(), "");
    let mut client = ketch.connect();
    client.expect("set k 0 0 1\r\n1\r\n", "STORED\r\n");
    node.ask("REPLICAOF 127.0.0.1 1");
    for said in ["set k 0 0 1\r\nx", "incr k 1", "delete k"] {
        let heard = client.ask(said);
        assert!(heard.starts_with("SERVER_ERROR READONLY You can't write against a read only replica"), "{heard}");
    }
    client.expect("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
    assert_eq!(counted(&mut client, "readonly"), 3);
}

#[test]
fn a_server_that_is_loading() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    let node = Redis::start_with(&["--dir", directory]);
    let mut wire = Wire::connect(node.port);
    (0..5000).for_each(|number| drop(wire.ask(&format!("SET key-{number} x"))));
    assert_eq!(wire.ask("SAVE").text(), "OK");
    // Each key that it reads from the disk takes three milliseconds; it looks up every kibibyte.
    let slow = ["--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024"];
    let (port, slow) = (node.port, [&["--dir", directory][..], &slow].concat());
    drop(node);
    let (node, ketch) = over_one(Redis::start_on(port, &slow), "reads_on_error: error, health: { probe_timeout: 10s }");
    let mut client = ketch.connect();
    let heard = wait_for("LOADING", || Some(client.ask("get k")).filter(|line| line.contains("LOADING")));
    assert_eq!(heard, "SERVER_ERROR LOADING Redis is loading the dataset in memory");
    assert!(counted(&mut client, "loading") >= 1);
    // Its probes say so too, and it is asked nothing until they do not.
    wait_for("the node to be put out", || ketch.log().contains("node ejected").then_some(()));
    assert!(ketch.log().contains("refused"), "{}", ketch.log());
    drop(node);
}

#[test]
fn a_wrong_password_is_told_and_set_right_without_a_restart() {
    let (node, ketch) = over_one(Redis::start_with(&["--requirepass", "right"]), "password: wrong-secret");
    let mut client = ketch.connect();
    let wrong = "SERVER_ERROR WRONGPASS invalid username-password pair or user is disabled.";
    for said in ["get k", "set k 0 0 1\r\nx", "mg k v", "get a b"] {
        assert_eq!(client.ask(said), wrong);
    }
    assert!(counted(&mut client, "noauth") >= 4);
    assert!(ketch.log().contains("does not let ketch in") && !ketch.log().contains("wrong-secret"), "{}", ketch.log());
    let mut wire = Wire::connect(node.port);
    assert_eq!(wire.ask("AUTH right").text(), "OK");
    assert_eq!(wire.ask("CONFIG SET requirepass wrong-secret").text(), "OK");
    wait_for("the password to be taken", || (client.ask("set k 0 0 1\r\nx") == "STORED").then_some(()));
}

#[test]
fn no_password_where_one_is_wanted() {
    let (_node, ketch) = over_one(Redis::start_with(&["--requirepass", "right"]), "");
    let mut client = ketch.connect();
    assert_eq!(client.ask("set k 0 0 1\r\nx"), "SERVER_ERROR NOAUTH Authentication required.");
    assert_eq!(client.ask("get k"), "SERVER_ERROR NOAUTH Authentication required.");
    assert_eq!(counted(&mut client, "noauth"), 2);
}

#[test]
fn a_pool_of_memcacheds_that_is_called_redis() {
    let memcached = Memcached::start();
    let nodes = format!("[\"{}\"]", memcached.address());
    let ketch =
        Ketch::start(&format!("pools: {{ main: {{ protocol: redis, nodes: {nodes} }} }}\nroutes: [{{ pool: main }}]"));
    assert!(ketch.connect().ask("set k 0 0 1\r\nx").starts_with("SERVER_ERROR cache node"));
}
