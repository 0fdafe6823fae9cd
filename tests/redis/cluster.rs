//! A real Redis Cluster: keys where the cluster puts them, through a slot's move and a primary's death.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use super::errors::counted;
use super::support::cluster::Cluster;
use super::support::load::Lag;
use super::support::redis::Wire;
use super::support::{Client, Ketch, PATIENCE, wait_for};
use super::{clients, races};

fn over(cluster: &Cluster, settings: &str) -> Ketch {
    let ketch = Ketch::start(&(cluster.pool(settings) + "workers: 2\n"));
    wait_for("the cluster to be reached", || (ketch.connect().ask("set ready 0 0 1\r\nx") == "STORED").then_some(()));
    ketch
}

#[test]
fn clients_pass_and_nothing_is_lost() {
    let cluster = Cluster::start();
    let ketch = over(&cluster, "flush: true");
    clients::memccapable(&ketch);
    clients::script(&ketch, "with_pymemcache.py", &["flush_all_later"]);
    clients::script(&ketch, "with_memcached.js", &[]);
    races::nothing_is_lost(&ketch);
    races::one_wins(&ketch);

    // Scripts are forgotten by every server.
    let mut client = ketch.connect();
    (0..20).for_each(|n| client.expect(format!("set n{n} 0 0 1\r\n1\r\nincr n{n} 1\r\n"), "STORED\r\n2\r\n"));
    cluster.servers.iter().for_each(|server| drop(server.ask("SCRIPT FLUSH")));
    (0..20).for_each(|n| client.expect(format!("incr n{n} 1\r\n"), "3\r\n"));

    // A multi-get over all slots, in the client's order.
    let keys: Vec<String> = (0..100).map(|n| format!("many-{n}")).collect();
    keys.iter().for_each(|key| client.expect(format!("set {key} 7 0 {}\r\n{key}\r\n", key.len()), "STORED\r\n"));
    let items: String = keys.iter().map(|key| format!("VALUE {key} 7 {}\r\n{key}\r\n", key.len())).collect();
    client.expect(format!("get {} none\r\n", keys.join(" ")), items + "END\r\n");
    let held: Vec<String> = cluster.primaries().iter().map(|server| server.ask("DBSIZE").text()).collect();
    assert!(held.len() == 3 && held.iter().all(|size| size != "0"), "{held:?}");

    // What a server refuses, its clients hear.
    cluster.owner("list").ask("RPUSH list x");
    assert!(client.ask("incr list 1").starts_with("SERVER_ERROR WRONGTYPE"));
    assert!(client.ask("get list").starts_with("SERVER_ERROR WRONGTYPE"));
    cluster.primaries().iter().for_each(|server| drop(server.ask("CONFIG SET maxmemory 1")));
    for said in ["set k 0 0 1\r\nx", "incr n1 1", "append n2 0 0 1\r\nx"] {
        let heard = client.ask(said);
        assert!(heard.starts_with("SERVER_ERROR OOM command not allowed when used memory > 'maxmemory'"), "{heard}");
    }
    client.expect("get n3\r\n", "VALUE n3 0 1\r\n3\r\nEND\r\n");
    assert_eq!((counted(&mut client, "oom"), counted(&mut client, "wrongtype")), (3, 2));

    // As one node, named by its first seed; ketch does not hear which of its servers answered.
    let node = format!("node=\"{}\"", cluster.servers[1].address());
    let metrics = ketch.look("/metrics").1;
    let figure = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name) && line.contains(&node));
        let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!((figure("ketch_node_connections"), figure("ketch_node_inflight")), (2.0, 0.0));
    assert!(figure("ketch_node_request_duration_seconds_count") > 1000.0);
}

/// A server that reads its keys from the disk has carried nothing out: it is asked again until the time is over. (A
/// cluster's replica answers a write with MOVED, never with READONLY.)
#[test]
fn a_server_that_is_loading_is_waited_for() {
    let cluster = Cluster::start_with(&["--enable-debug-command", "local", "--repl-diskless-load", "disabled"]);
    let ketch = over(&cluster, "request_timeout: 10s");
    let mut client = ketch.connect();
    let server = cluster.owner("k");
    client.expect("set k 0 0 1\r\n1\r\n", "STORED\r\n");
    let more = (0..400).map(|n| format!("set {{k}}{n} 0 0 1\r\nx\r\n"));
    client.say(more.collect::<String>());
    (0..400).for_each(|_| assert_eq!(client.line(), "STORED"));
    // A millisecond and a half a key, and looking up every kibibyte.
    for setting in ["key-load-delay 1500", "loading-process-events-interval-bytes 1024"] {
        assert_eq!(server.ask(&format!("CONFIG SET {setting}")).text(), "OK");
    }
    let waited = std::thread::scope(|scope| {
        let reload = scope.spawn(|| server.ask("DEBUG RELOAD").text());
        wait_for("LOADING", || server.ask("GET k").text().starts_with("LOADING").then_some(()));
        let begin = Instant::now();
        client.expect("get k\r\n", "VALUE k 0 1\r\n1\r\nEND\r\n");
        client.expect("incr k 1\r\n", "2\r\n");
        let waited = begin.elapsed();
        assert_eq!(reload.join().unwrap(), "OK");
        waited
    });
    println!("answered {waited:?} after the first LOADING");
    client.expect("incr k 1\r\n", "3\r\n");
}

#[test]
fn a_replica_answers_reads_where_it_is_asked_to() {
    let cluster = Cluster::start();
    let ketch = over(&cluster, "reads: replica");
    let mut client = ketch.connect();
    // A replica is one only once it has copied something: until then the servers do not name it, and ketch has to
    // ask anew.
    client.expect("set r 0 0 1\r\nx\r\n", "STORED\r\n");
    let served = |word: &str| -> HashMap<u16, u64> {
        let calls = |stats: String| {
            let line = stats.lines().find(|line| line.starts_with("cmdstat_get:")).map(str::to_owned)?;
            line.split("calls=").nth(1)?.split(',').next()?.parse().ok()
        };
        let servers = cluster.servers.iter().filter(|server| server.ask("ROLE").text().starts_with(word));
        servers.map(|server| (server.port, calls(server.ask("INFO commandstats").text()).unwrap_or(0))).collect()
    };
    let mut ask = || {
        for n in 0..60 {
            client.expect(format!("set r{n} 0 0 1\r\nx\r\n"), "STORED\r\n");
            wait_for("the replica to have it", || (client.ask(&format!("mg r{n} s")) == "HD s1").then_some(()));
        }
    };
    wait_for("the replicas to be found", || {
        ask();
        served("slave").values().all(|calls| *calls > 0).then_some(())
    });
    let before = served("master");
    ask();
    assert_eq!(served("master"), before, "a primary was read from");
}

/// What clients met while something happened to the cluster.
#[derive(Default)]
struct Tally {
    done: AtomicU64,
    errors: AtomicU64,
    stop: AtomicBool,
}

/// Each of `clients` writes and counts under keys of its own and reads back what it was told; stops on demand. A number that was
/// acknowledged is never seen smaller again, nor larger than what was asked for.
fn load(ketch: &Ketch, keys: &'static [&'static str]) -> (Arc<Tally>, Vec<thread::JoinHandle<Vec<String>>>) {
    let tally = Arc::new(Tally::default());
    let address = ketch.memcached;
    let work = |number: usize| {
        let tally = tally.clone();
        thread::spawn(move || {
            let mut client = Client::connect(address);
            let mut wrong = Vec::new();
            let key = |n: u64| format!("{}-{number}", keys[n as usize % keys.len()]);
            let mut counts: HashMap<String, (u64, u64)> = HashMap::new();
            for n in 0.. {
                if tally.stop.load(Relaxed) {
                    return wrong;
                }
                let key = key(n);
                let (known, most) = counts.entry(key.clone()).or_insert((0, 0));
                *most += 1;
                let heard = client.ask(&format!("incr {key} 1"));
                match heard.parse::<u64>() {
                    Ok(count) if count > *known && count <= *most => *known = count,
                    Ok(count) => wrong.push(format!("{key}: {count}, of {known} to {most}")),
                    Err(_) if heard.starts_with("SERVER_ERROR") => drop(tally.errors.fetch_add(1, Relaxed)),
                    Err(_) => wrong.push(format!("{key}: {heard}")),
                }
                client.say(format!("get {key}\r\n"));
                match client.line() {
                    line if line.starts_with("VALUE") => {
                        let count: u64 = client.line().parse().unwrap();
                        assert_eq!(client.line(), "END");
                        if count < *known || count > *most {
                            wrong.push(format!("{key}: read {count}, of {known} to {most}"));
                        }
                    }
                    line => match line.starts_with("SERVER_ERROR") {
                        true => drop(tally.errors.fetch_add(1, Relaxed)),
                        false => wrong.push(format!("{key}: {line}")),
                    },
                }
                tally.done.fetch_add(1, Relaxed);
            }
            wrong
        })
    };
    let threads = (0..8).map(work).collect();
    (tally, threads)
}

fn begin(ketch: &Ketch, keys: &[&str]) {
    let mut client = ketch.connect();
    for (key, number) in keys.iter().flat_map(|key| (0..8).map(move |number| (key, number))) {
        let store = format!("set {key}-{number} 0 0 1\r\n0");
        // The first of them wait for the connections to the cluster, which a busy machine may be late with.
        wait_for("the cluster to serve", || (client.ask(&store) == "STORED").then_some(()));
    }
}

fn end(tally: &Tally, threads: Vec<thread::JoinHandle<Vec<String>>>) {
    tally.stop.store(true, Relaxed);
    let wrong: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_slot_is_moved_while_it_is_read_and_written() {
    const KEYS: &[&str] = &["{moved}a", "{moved}b", "{moved}c"];
    let cluster = Cluster::start();
    let ketch = over(&cluster, "reads_on_error: error");
    begin(&ketch, KEYS);
    let slot = cluster.servers[0].ask("CLUSTER KEYSLOT {moved}").text();
    let (tally, threads) = load(&ketch, KEYS);
    for _ in 0..3 {
        let from = cluster.owner("{moved}");
        let to = *cluster.primaries().iter().find(|server| server.port != from.port).unwrap();
        let id = |port| Wire::connect(port).ask("CLUSTER MYID").text();
        let (from_id, to_id) = (id(from.port), id(to.port));
        assert_eq!(to.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).text(), "OK");
        assert_eq!(from.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).text(), "OK");
        loop {
            let keys = from.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 1")).text();
            let Some(key) = keys.lines().next().filter(|key| !key.is_empty()) else { break };
            let moved = from.ask(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", to.port)).text();
            assert!(moved == "OK" || moved == "NOKEY", "{moved}");
            // Requests meet the slot with some of its keys here and some there.
            thread::sleep(Duration::from_millis(20));
        }
        for server in [to, from] {
            assert_eq!(server.ask(&format!("CLUSTER SETSLOT {slot} NODE {to_id}")).text(), "OK");
        }
        thread::sleep(Duration::from_millis(200));
    }
    end(&tally, threads);
    let (done, errors) = (tally.done.load(Relaxed), tally.errors.load(Relaxed));
    println!("{done} rounds, {errors} errors");
    assert!(done > 100);
    assert_eq!(errors, 0);
}

#[test]
fn a_primary_is_killed_under_load() {
    const KEYS: &[&str] = &["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut cluster = Cluster::start();
    let ketch = over(&cluster, "reads_on_error: error, connect_timeout: 500ms, request_timeout: 1s");
    begin(&ketch, KEYS);
    begin(&ketch, &["x"]);
    // What is not copied when the primary dies is lost: that is the cluster's way, and not what is looked at here.
    let (tally, threads) = load(&ketch, &["x"]);
    let port = cluster.owner("a-0").port;
    thread::sleep(Duration::from_millis(300));
    let (lag, killed) = (Lag::start(), Instant::now());
    let mut since = killed;
    cluster.kill(port);
    // Full service: every key is written for a second on end.
    let mut client = ketch.connect();
    let mut failed = 0;
    while since.elapsed() < Duration::from_secs(1) {
        assert!(killed.elapsed() < PATIENCE, "no full service");
        for key in KEYS.iter().flat_map(|key| (0..8).map(move |number| format!("{key}-{number}"))) {
            let heard = client.ask(&format!("set {key} 0 0 1\r\nx"));
            if heard != "STORED" {
                assert!(heard.starts_with("SERVER_ERROR"), "{heard}");
                (failed, since) = (failed + 1, Instant::now());
            }
        }
    }
    tally.stop.store(true, Relaxed);
    drop(threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>());
    let full = since - killed;
    let (done, errors) = (tally.done.load(Relaxed), tally.errors.load(Relaxed));
    println!(
        "full service {full:?} after the death; one client had {failed} errors, eight others {errors} in {done} rounds"
    );
    let late = lag.of_an_answer(killed);
    assert!(full < Duration::from_secs(10) + late, "{full:?}, {late:?} of it for the machine");
}

#[test]
fn a_password_and_a_cluster_that_is_not_there() {
    let cluster = Cluster::start();
    for server in &cluster.servers {
        for setting in ["masterauth right", "requirepass right"] {
            assert_eq!(server.ask(&format!("CONFIG SET {setting}")).text(), "OK");
        }
    }
    let settings = "password: { env: CLUSTER_PASSWORD }, request_timeout: 2s";
    let right = Ketch::start_with(&cluster.pool(settings), &[("CLUSTER_PASSWORD", "right")]);
    right.connect().expect("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    let none = Ketch::start(&cluster.pool(""));
    let heard = none.connect().ask("set k 0 0 1\r\nx");
    assert!(heard.starts_with("SERVER_ERROR NOAUTH"), "{heard}");
    let wrong = Ketch::start(&cluster.pool("password: wrong-secret"));
    let heard = wrong.connect().ask("set k 0 0 1\r\nx");
    assert!(heard.starts_with("SERVER_ERROR") && heard.contains("WRONGPASS"), "{heard}");
    assert!(!wrong.log().contains("wrong-secret"));
    drop(cluster);

    let begun = Instant::now();
    let heard = right.connect().ask("set k 0 0 1\r\nx");
    assert!(heard.starts_with("SERVER_ERROR cache node"), "{heard}");
    right.connect().expect("get k\r\n", "END\r\n");
    assert!(begun.elapsed() < 2 * Duration::from_secs(2) + Duration::from_secs(5), "{:?}", begun.elapsed());
}
