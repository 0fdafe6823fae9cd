//! Promise 7, bounded: every buffer has a cap, a client that does not read is not read from, and past a cap requests
//! are refused with words that say so.
//!
//! What ketch held at most is read from the kernel (`VmHWM`), and must stay under `limits.memory` and a base for the
//! program itself: its text, its allocator, its tables.

mod support;

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::time::Duration;

use support::fake::{Fake, echo};
use support::load::metric;
use support::{Client, Ketch, Memcached, pool, wait_for};

/// All that ketch may hold for clients and nodes.
const MEMORY: u64 = 64 << 20;
/// What the program needs beside, in a build without optimisation: 20 MiB as it stands there, and what its allocator
/// has not given back yet while values of 1 MB come and go. What was not charged once came to several times as much.
const BASE: u64 = 64 << 20;

const LIMITS: &str = "workers: 2\nlimits: { memory: 64MiB, connections: 6000 }\n";

/// What is said to those for whom there is no room.
const NO_BUFFER: &str = "SERVER_ERROR out of memory for buffers";
const NO_LINE: &str = "SERVER_ERROR out of memory reading request";
const NO_STORE: &str = "SERVER_ERROR out of memory storing object";

/// Just under the limit of a value.
const LARGE: usize = 1_000_000;

#[test]
fn over_memcached_a_client_that_never_reads_makes_nothing_grow() {
    let node = Memcached::start();
    never_reads(&over(&node.address(), ""), MEMORY + BASE);
}

#[test]
fn over_a_store_a_client_that_never_reads_makes_nothing_grow() {
    let ketch = Ketch::start(&format!(
        "{LIMITS}pools: {{ main: {{ protocol: embedded, nodes: [a], memory: 16MiB }} }}\nroutes: [{{ pool: main }}]\n"
    ));
    never_reads(&ketch, MEMORY + BASE + (16 << 20));
}

/// Asks for 1 GB from each of three connections.
fn never_reads(ketch: &Ketch, most: u64) {
    let value = "v".repeat(LARGE);
    let mut other = ketch.connect();
    other.expect(format!("set large 0 0 {LARGE}\r\n{value}\r\n"), "STORED\r\n");
    let mut deaf: Vec<_> = (0..3).map(|_| ketch.connect()).collect();
    for client in &mut deaf {
        client.say("get large\r\n".repeat(1000));
    }
    is_served(&mut other);
    for _ in 0..20 {
        other.expect("get large\r\n", format!("VALUE large 0 {LARGE}\r\n{value}\r\nEND\r\n"));
    }
    holds(ketch, most);
    // Now that they read, they get what they asked for, or are told why not.
    for client in &mut deaf {
        let mut values = 0;
        for _ in 0..300 {
            let line = client.line();
            if line == NO_BUFFER {
                continue;
            }
            assert_eq!(line, format!("VALUE large 0 {LARGE}"));
            client.bytes(LARGE + 2);
            assert_eq!(client.line(), "END");
            values += 1;
        }
        println!("{values} of 300 values came");
        assert!(values > 100, "only {values} of 300 values came");
    }
    holds(ketch, most);
}

#[test]
fn a_million_requests_of_a_client_that_never_reads_make_nothing_grow() {
    let node = Memcached::start();
    let ketch = over(&node.address(), "");
    let mut deaf = ketch.connect();
    for key in 0..100 {
        deaf.expect(format!("set k{key} 0 0 3\r\nv{key:02}\r\n"), "STORED\r\n");
    }
    let requests: String = (0..1_000_000).map(|number| format!("get k{}\r\n", number % 100)).collect();
    let mut mouth = deaf.stream.try_clone().unwrap();
    // Ketch reads no more, and so the socket takes no more.
    mouth.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut said = 0;
    let refused = loop {
        match mouth.write(&requests.as_bytes()[said..]) {
            Ok(count) => said += count,
            Err(error) => break error,
        }
        assert!(said < requests.len(), "all of it was read");
    };
    assert!(matches!(refused.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{refused}");
    is_served(&mut ketch.connect());
    holds(&ketch, MEMORY + BASE);
    let whole = requests[..said].matches('\n').count();
    for number in 0..whole.min(20_000) {
        let key = number % 100;
        deaf.expect("", format!("VALUE k{key} 0 3\r\nv{key:02}\r\nEND\r\n"));
    }
}

/// Nobody knows yet how large a new client's values are: it is not to be let ask for more than there is room for.
#[test]
fn a_first_burst_of_large_reads_is_answered() {
    let node = Memcached::start();
    let ketch = over(&node.address(), "");
    let value = "v".repeat(LARGE);
    // One writer that stays: those who come are dealt out to the workers by how many each has.
    let mut writer = ketch.connect();
    for number in 0..50 {
        writer.expect(format!("set k{number} 0 0 {LARGE}\r\n{value}\r\n"), "STORED\r\n");
    }
    let mut clients: Vec<_> = (0..4).map(|_| ketch.connect()).collect();
    let burst: String = (0..50).map(|number| format!("get k{number}\r\n")).collect();
    clients.iter_mut().for_each(|client| client.say(&burst));
    for client in &mut clients {
        for number in 0..50 {
            assert_eq!(client.line(), format!("VALUE k{number} 0 {LARGE}"));
            client.bytes(LARGE + 2);
            assert_eq!(client.line(), "END");
        }
    }
}

/// Somebody else wrote what is too large for ketch, or `limits.value_size` was made smaller.
#[test]
fn a_value_over_the_limit_is_refused_and_nothing_else() {
    const SIZE: usize = 1_500_000;
    let node = Memcached::start_with(&["-I", "2m"]);
    let value = "v".repeat(SIZE);
    Client::connect(([127, 0, 0, 1], node.port).into())
        .expect(format!("set large 0 0 {SIZE}\r\n{value}\r\n"), "STORED\r\n");
    let ketch = over(&node.address(), "");
    let mut client = ketch.connect();
    client.expect("set k 0 0 1\r\nx\r\n", "STORED\r\n");
    for _ in 0..20 {
        client.expect(
            "get k\r\nget large\r\nmg large v\r\nget k large\r\nmg large s\r\n",
            "VALUE k 0 1\r\nx\r\nEND\r\nSERVER_ERROR object too large for cache\r\n\
             SERVER_ERROR object too large for cache\r\nVALUE k 0 1\r\nx\r\nEND\r\nHD s1500000\r\n",
        );
    }
    assert!(!ketch.log().contains("garbage"), "{}", ketch.log());
}

#[test]
fn a_length_of_a_gigabyte_gets_memcacheds_answer() {
    let node = Memcached::start();
    let ketch = over(&node.address(), "");
    let direct: SocketAddr = ([127, 0, 0, 1], node.port).into();
    // Both take it all, and keep nothing. (memcached says what it thinks of it only then.)
    let gigabyte = |at: SocketAddr| {
        let mut client = Client::connect(at);
        client.say("set k 0 0 1073741824\r\n");
        let chunk = vec![b'x'; 1 << 20];
        (0..1024).for_each(|_| client.say(&chunk));
        client.say("\r\nmn\r\n");
        (client.line(), client.line())
    };
    let right = gigabyte(direct);
    assert_eq!(gigabyte(ketch.memcached), right);
    // A length that is none is refused at once.
    for line in ["set k 0 0 2147483648", "set k 0 0 99999999999999999999", "set k 0 0 -1"] {
        assert_eq!(ketch.connect().ask(line), Client::connect(direct).ask(line), "{line}");
    }
    // And so is one of which nothing comes.
    for line in ["set k 0 0 1073741824", "add k 0 0 1073741824", "ms k 1073741824"] {
        assert_eq!(ketch.connect().ask(line), right.0, "{line}");
    }
    is_served(&mut ketch.connect());
    holds(&ketch, MEMORY / 2);
}

#[test]
fn values_that_never_come_to_their_end_hold_no_more_than_their_share() {
    let node = Memcached::start_with(&["-m", "1024"]);
    let ketch = over(&node.address(), "");
    let half = LARGE - 100_000;
    let mut clients: Vec<_> = (0..300).map(|_| ketch.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.say(format!("set upload{number} 0 0 {LARGE}\r\n{}", "u".repeat(half)));
    }
    is_served(&mut ketch.connect());
    holds(&ketch, MEMORY + BASE);
    // And when they end after all, each has one answer.
    for client in &mut clients {
        client.say(format!("{}\r\nmn\r\n", "u".repeat(LARGE - half)));
    }
    let mut stored = 0;
    for client in &mut clients {
        match client.line().as_str() {
            "STORED" => stored += 1,
            line => assert!(line == NO_STORE || line == NO_BUFFER, "{line}"),
        }
        assert_eq!(client.line(), "MN");
    }
    println!("{stored} of 300 were stored");
    assert!(stored >= 20, "only {stored} were stored");
    holds(&ketch, MEMORY + BASE);
    drop(clients);
    // What was held is given back: everybody has room again.
    let mut client = ketch.connect();
    client.expect(format!("set large 0 0 {LARGE}\r\n{}\r\n", "v".repeat(LARGE)), "STORED\r\n");
}

/// The buffer of a large value is not kept for the half line that came behind it, nor for one that comes byte by byte.
#[test]
fn half_lines_hold_no_more_than_they_are() {
    let node = Memcached::start();
    let ketch = over(&node.address(), "");
    let mut clients: Vec<_> = (0..200).map(|_| ketch.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        for size in [60_000, 20_000] {
            client.expect(format!("set k{number} 0 0 {size}\r\n{}\r\n", "v".repeat(size)), "STORED\r\n");
        }
        client.expect(format!("set k{number} 0 0 30000\r\n{}\r\nge", "v".repeat(30_000)), "STORED\r\n");
    }
    let held = || metric(&ketch, "ketch_buffered_bytes");
    wait_for("only half lines to be held", || (held() <= 200.0 * 2.0).then_some(()));
    clients.iter_mut().for_each(|client| client.say("t"));
    wait_for("a byte more of each to be held", || (held() == 200.0 * 3.0).then_some(()));
    for (number, client) in clients.iter_mut().enumerate() {
        client.expect(format!(" x{number}\r\n"), "END\r\n");
    }
    wait_for("nothing to be held", || (held() == 0.0).then_some(()));
}

/// However they are cut, and whatever came before them.
#[test]
fn values_that_come_in_pieces_find_the_room_that_they_need_while_memory_is_scarce() {
    let node = Memcached::start();
    let limits = "workers: 1\nlimits: { memory: 8MiB }\n";
    let ketch = Ketch::start(&format!("{limits}{}", pool(&[node.address()], "")));
    let mut client = ketch.connect();
    client.expect(format!("set large 0 0 {LARGE}\r\n{}\r\n", "v".repeat(LARGE)), "STORED\r\n");
    let held = || metric(&ketch, "ketch_buffered_bytes");
    let mut deaf = Vec::new();
    wait_for("memory to be scarce", || {
        deaf.push(ketch.connect());
        deaf.last_mut()?.say("get large\r\n".repeat(50));
        std::thread::sleep(Duration::from_millis(20)); // as long as it takes: one client more or less is no matter
        (held() > 5e6).then_some(())
    });
    for (size, cut) in [(20_000, 10_000), (50_000, 30_000), (65_100, 40_000), (65_500, 64_000), (65_500, 20_000)] {
        let said = format!("set piece 0 0 {size}\r\n{}\r\n", "p".repeat(size));
        for _ in 0..3 {
            let before = held();
            client.say(&said[..cut]);
            wait_for("the first piece to be held", || (held() > before).then_some(()));
            client.expect(&said[cut..], "STORED\r\n");
            wait_for("it to have left", || (held() <= before).then_some(()));
        }
    }
}

#[test]
fn lines_that_never_come_to_their_end_hold_no_more_than_their_share() {
    let node = Memcached::start();
    let ketch = over(&node.address(), "");
    let keys = "get ".to_owned() + &"key ".repeat(225_000);
    let mut clients: Vec<_> = (0..200).map(|_| ketch.connect()).collect();
    for client in &mut clients {
        // One that ketch gives up is closed.
        let _ = client.stream.write_all(keys.as_bytes());
    }
    is_served(&mut ketch.connect());
    holds(&ketch, MEMORY + BASE);
}

/// Long lines, whole, to a node that never answers: their keys are held until it has failed.
#[test]
fn keys_that_wait_for_a_node_hold_no_more_than_their_share() {
    let node = Fake::start(support::fake::Talk::ignore);
    let ketch = over(&node.address(), "request_timeout: 300ms, health: { max_ejected: 0% }");
    let line = "get ".to_owned() + &"key ".repeat(20_000) + "\r\n";
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let (mut client, line) = (ketch.connect(), &line);
            let mut mouth = client.stream.try_clone().unwrap();
            scope.spawn(move || (0..10).all(|_| mouth.write_all(line.as_bytes()).is_ok()));
            scope.spawn(move || {
                for _ in 0..10 {
                    match client.line().as_str() {
                        "END" | NO_BUFFER => {}
                        NO_LINE => return, // and closed, as memcached does
                        line => panic!("{line}"),
                    }
                }
            });
        }
    });
    holds(&ketch, MEMORY + BASE);
}

#[test]
fn values_for_a_node_that_is_stopped_hold_no_more_than_their_share() {
    let (stopped, good) = (Memcached::start(), Memcached::start());
    let nodes = [stopped.address(), good.address()];
    let settings = "distribution: modula, hash: one_at_a_time, request_timeout: 4s, health: { max_ejected: 0% }";
    let ketch = Ketch::start(&format!("{LIMITS}{}", pool(&nodes, settings)));
    let mut client = ketch.connect();
    let mut direct = Client::connect(([127, 0, 0, 1], good.port).into());
    let is_good = |key: &String| {
        assert_eq!(client.ask(&format!("ms {key} 1\r\nx")), "HD");
        direct.ask(&format!("mg {key}")) == "HD"
    };
    let (good_keys, stopped_keys): (Vec<_>, Vec<_>) = (0..40).map(|number| format!("key{number}")).partition(is_good);
    stopped.process.signal("STOP");
    let value = "v".repeat(LARGE);
    std::thread::scope(|scope| {
        for key in stopped_keys.iter().take(8) {
            let (mut client, value) = (ketch.connect(), &value);
            scope.spawn(move || {
                for _ in 0..40 {
                    client.say(format!("set {key} 0 0 {LARGE}\r\n{value}\r\n"));
                }
                for _ in 0..40 {
                    let line = client.line();
                    assert!(line.starts_with("SERVER_ERROR "), "{line}");
                }
            });
        }
        let mut other = ketch.connect();
        for _ in 0..50 {
            let key = &good_keys[0];
            other.expect(
                format!("set {key} 0 0 5\r\nsmall\r\nget {key}\r\n"),
                format!("STORED\r\nVALUE {key} 0 5\r\nsmall\r\nEND\r\n"),
            );
        }
    });
    holds(&ketch, MEMORY + BASE);
}

#[test]
fn a_read_of_half_a_gigabyte_holds_no_more_than_there_is() {
    let nodes = [Memcached::start(), Memcached::start()];
    for nodes in [&nodes[..1], &nodes[..]] {
        let addresses: Vec<_> = nodes.iter().map(Memcached::address).collect();
        let ketch = Ketch::start(&format!("{LIMITS}{}", pool(&addresses, "request_timeout: 20s")));
        let mut client = ketch.connect();
        let value = "v".repeat(LARGE);
        for key in 0..8 {
            client.expect(format!("set large{key} 0 0 {LARGE}\r\n{value}\r\n"), "STORED\r\n");
        }
        let keys: Vec<_> = (0..500).map(|number| format!("large{}", number % 8)).collect();
        client.say(format!("get {}\r\n", keys.join(" ")));
        is_served(&mut ketch.connect());
        let line = client.line();
        assert_eq!(line, NO_BUFFER, "over {} nodes", nodes.len());
        client.expect("mn\r\n", "MN\r\n");
        // What fits is given.
        client.say("get large0 large1 large2\r\n");
        for key in 0..3 {
            assert_eq!(client.line(), format!("VALUE large{key} 0 {LARGE}"));
            client.bytes(LARGE + 2);
        }
        assert_eq!(client.line(), "END");
        holds(&ketch, MEMORY + BASE);
    }
}

/// After so many answers a client's values are known to be small, and it may have many on the way.
const KNOWN: usize = 10;

#[test]
fn requests_past_what_may_wait_for_a_node_are_refused() {
    let node = Fake::start(|talk| {
        for _ in 0..KNOWN {
            let Some(said) = talk.hear() else { return };
            talk.say(echo(&said));
        }
        talk.ignore();
    });
    let settings = "max_inflight: 100, request_timeout: 2s, coalesce: false, health: { max_ejected: 0% }";
    let ketch = Ketch::start(&format!(
        "workers: 1\n{}",
        pool(&[node.address()], &format!("{settings}, reads_on_error: error"))
    ));
    let mut client = ketch.connect();
    client.expect("get k\r\n".repeat(KNOWN), "VALUE k 0 1\r\nk\r\nEND\r\n".repeat(KNOWN));
    client.say("get k\r\n".repeat(100));
    wait_for("the node to hear them", || (node.heard("get") == KNOWN + 100).then_some(()));
    assert_eq!(ketch.connect().ask("get k"), "SERVER_ERROR too many requests waiting for the cache node");
    for _ in 0..100 {
        assert_eq!(client.line(), "SERVER_ERROR cache node did not answer in time");
    }
}

const IDLE: u64 = 5000;

#[test]
fn five_thousand_idle_clients_cost_little() {
    let node = Memcached::start();
    let ketch = over(&node.address(), "");
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let warm: Vec<_> = (0..10).map(|_| ketch.connect()).collect();
    let before = memory(&ketch, "VmRSS");
    let mut clients: Vec<_> = (0..IDLE).map(|_| ketch.connect()).collect();
    let value = "v".repeat(20_000);
    for client in &mut clients {
        client.expect("set k 0 0 1\r\nx\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n");
        // They were busy once.
        client.expect(format!("set l 0 0 20000\r\n{value}\r\n"), "STORED\r\n");
    }
    let each = (memory(&ketch, "VmRSS") - before) / IDLE;
    println!("{each} bytes for each idle client");
    assert!(each <= 8 << 10, "{each} bytes for each idle client");
    // And others are served meanwhile.
    is_served(&mut ketch.connect());
    drop(warm);
}

fn over(node: &str, settings: &str) -> Ketch {
    Ketch::start(&format!("{LIMITS}{}", pool(&[node.to_owned()], settings)))
}

/// A client with ordinary wishes has them granted.
fn is_served(client: &mut Client) {
    let value = "o".repeat(10_000);
    for number in 0..50 {
        let key = format!("ordinary{number}");
        client.expect(format!("set {key} 0 0 10000\r\n{value}\r\n"), "STORED\r\n");
        client.expect(format!("get {key}\r\n"), format!("VALUE {key} 0 10000\r\n{value}\r\nEND\r\n"));
    }
}

/// Ketch has never held more.
fn holds(ketch: &Ketch, most: u64) {
    let peak = memory(ketch, "VmHWM");
    println!("held {} MiB at most", peak >> 20);
    assert!(peak <= most, "held {} MiB, may hold {}", peak >> 20, most >> 20);
}

/// A figure of the process's memory in bytes.
fn memory(ketch: &Ketch, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", ketch.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
