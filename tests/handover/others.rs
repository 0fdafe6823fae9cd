//! The same over Redis servers and over embedded stores.

use super::support::redis::{Answer, Redis};
use super::support::{Ketch, redis};

/// Two servers; the pool is the first, then the second.
fn swapped(nodes: &[Redis; 2], prepare: impl FnOnce(&Ketch)) -> Ketch {
    let config = |node: usize| redis::pool(&nodes[node..=node], "handover: 1m");
    let ketch = Ketch::start(&config(0));
    prepare(&ketch);
    ketch.reconfigure(&config(1));
    ketch
}

#[test]
fn flags_life_and_bytes_travel_between_redis_servers() {
    let nodes = [Redis::start(), Redis::start()];
    let ketch = swapped(&nodes, |ketch| {
        let mut client = ketch.connect();
        client.expect("set flags 4294967295 0 1\r\nx\r\nset life 0 100 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
        client.expect("set empty 0 0 0\r\n\r\nms YSBi 2 b F9 T50\r\n\0\n\r\n", "STORED\r\nHD\r\n");
        client.expect("set counted 0 0 2\r\n10\r\nset gone 0 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    });
    let mut client = ketch.connect();
    client.expect("get flags empty\r\n", "VALUE flags 4294967295 1\r\nx\r\nVALUE empty 0 0\r\n\r\nEND\r\n");
    client.expect("mg YSBi b f v\r\n", "VA 2 f9\r\n\0\n\r\n");
    client.expect("get life\r\nincr counted 5\r\n", "VALUE life 0 1\r\nx\r\nEND\r\n15\r\n");
    client.expect("delete gone\r\nget gone\r\n", "DELETED\r\nEND\r\n");
    client.expect("add life 0 0 1\r\ny\r\ntouch life 200\r\n", "NOT_STORED\r\nTOUCHED\r\n");
    let Answer::Integer(left) = nodes[1].ask("TTL life") else { panic!("no life") };
    assert!((190..=200).contains(&left), "{left}");
    assert_eq!(nodes[0].ask("EXISTS counted gone life"), Answer::Integer(0));
    // No marker of a lease is left behind.
    assert_eq!(nodes[1].ask("DBSIZE"), Answer::Integer(5));
}

#[test]
fn what_a_redis_pool_refuses_changes_nothing_on_the_old_owner() {
    let nodes = [Redis::start(), Redis::start()];
    let ketch = swapped(&nodes, |ketch| {
        ketch.connect().expect("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    });
    let mut client = ketch.connect();
    client.expect("md k I\r\n", "CLIENT_ERROR unsupported on a redis pool\r\n");
    client.expect("flush_all\r\n", "SERVER_ERROR flush_all is disabled for pool main\r\n");
    client.expect("get k\r\n", "VALUE k 0 1\r\nx\r\nEND\r\n");
}

#[test]
fn a_write_takes_the_lease_from_whoever_has_it() {
    let nodes = [Redis::start(), Redis::start()];
    let ketch = swapped(&nodes, |ketch| {
        ketch.connect().expect("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    });
    let marker = format!("ketch:lease:{}:k", ".".repeat(249));
    assert_eq!(nodes[1].ask(&format!("SET {marker} 7")), Answer::Status("OK".into()));
    let mut client = ketch.connect();
    // Somebody else is about to fill it, and never does.
    client.expect("get k\r\n", "END\r\n");
    client.expect("set k 0 0 1\r\ny\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\ny\r\nEND\r\n");
    assert_eq!(nodes[1].ask(&format!("EXISTS {marker}")), Answer::Integer(0));
}

#[test]
fn embedded_stores_hand_over_too() {
    let config = |nodes: &str| {
        let pool = format!("{{ protocol: embedded, nodes: {nodes}, handover: 1m }}");
        format!("pools: {{ main: {pool} }}\nroutes: [{{ pool: main }}]\nworkers: 2\n")
    };
    let ketch = Ketch::start(&config("[a]"));
    let mut client = ketch.connect();
    for key in 0..50 {
        client.expect(format!("set key-{key} {key} 100 1\r\nx\r\n"), "STORED\r\n");
    }
    ketch.reconfigure(&config("[b, c]"));
    for key in 0..50 {
        client.expect(format!("get key-{key}\r\n"), format!("VALUE key-{key} {key} 1\r\nx\r\nEND\r\n"));
    }
    client.expect("delete key-1\r\nget key-1\r\nincr key-2 1\r\n", "DELETED\r\nEND\r\n");
    assert!(client.line().starts_with("CLIENT_ERROR cannot increment"));
}
