//! Promise 1, order: replies leave in request order on each client connection, however they were pipelined.

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use fastrand::Rng;
use support::fake::{Fake, Talk, Way, echo, relay};
use support::load::place;
use support::{Client, Ketch, Memcached, pool, seed};

/// Commands of one client, all in the pipe at once.
const COMMANDS: usize = 4000;
const CLIENTS: u64 = 3;

/// Four real nodes, three of them behind lines of their own slowness: every answer must be the one that a single
/// memcached gives to the same stream.
#[test]
fn a_deep_pipeline_over_nodes_of_different_speed_reads_as_from_one_server() {
    let nodes: [_; 4] = std::array::from_fn(|_| Memcached::start());
    let slow = [
        slowed(nodes[1].port, 256, |_| Duration::from_millis(1)),
        slowed(nodes[2].port, 4096, |random| Duration::from_micros(random.u64(0..3000))),
        slowed(nodes[3].port, 64 * 1024, |_| Duration::from_millis(8)),
    ];
    let addresses = [nodes[0].address(), slow[0].address(), slow[1].address(), slow[2].address()];
    let ketch = Ketch::start(&pool(&addresses, "request_timeout: 20s"));
    let oracle = Memcached::start();
    let oracle: SocketAddr = ([127, 0, 0, 1], oracle.port).into();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (ketch, oracle) = (ketch.memcached, oracle);
            scope.spawn(move || {
                let said = conversation(client);
                let (heard, right) = (masked(&pipelined(ketch, &said)), masked(&pipelined(oracle, &said)));
                for (at, (heard, right)) in heard.iter().zip(&right).enumerate() {
                    assert_eq!(heard, right, "line {at} of client {client}");
                }
                assert_eq!(heard.len(), right.len(), "client {client}");
                assert!(right.len() > COMMANDS / 2, "only {} lines", right.len());
            });
        }
    });
}

/// Nodes that take their time over each single reply, and say which key they answer.
#[test]
fn items_come_in_the_order_in_which_they_were_asked_for() {
    let delays = [0, 100, 400, 1500].map(Duration::from_micros);
    let nodes = delays.map(|delay| Fake::start(move |talk| answer_after(talk, delay)));
    let addresses: Vec<_> = nodes.iter().map(Fake::address).collect();
    let ketch = Ketch::start(&pool(&addresses, "request_timeout: 20s"));
    let mut random = Rng::with_seed(1);
    let (mut said, mut right) = (String::new(), String::new());
    for number in 0..1500 {
        let keys: Vec<_> = (0..[1, 1, 2, 30][random.usize(0..4)]).map(|part| format!("key-{number}-{part}")).collect();
        said += &format!("get {}\r\n", keys.join(" "));
        for key in keys {
            right += &format!("VALUE {key} 0 {}\r\n{key}\r\n", key.len());
        }
        right += "END\r\n";
    }
    let heard = pipelined(ketch.memcached, said.as_bytes());
    assert!(heard == right.as_bytes(), "other items, or another order");
    for node in &nodes {
        assert!(node.heard("get") > 100, "a node had only {} commands", node.heard("get"));
    }
}

/// A reply whose turn it is leaves though more is owed: the slow node answers only once the client has that of the quick.
#[test]
fn a_reply_does_not_wait_for_a_slow_node() {
    let (go, may_go) = channel();
    let may_go = Mutex::new(may_go);
    let quick = Fake::start(|talk| answer_after(talk, Duration::ZERO));
    let slow = Fake::start(move |talk| {
        while let Some(said) = talk.hear() {
            let is_over = said.words()[0] == "get" && may_go.lock().unwrap().recv().is_err();
            if is_over || !talk.say(echo(&said)) {
                return;
            }
        }
    });
    let nodes = [quick.address(), slow.address()];
    let ketch = Ketch::start(&pool(&nodes, "request_timeout: 60s"));
    let placed = place(&ketch, &nodes, (0..100).map(|number| format!("key-{number}")));
    let key_of = |node| &*placed.iter().find(|placed| placed.owner == node).unwrap().key;
    let item = |key: &str| format!("VALUE {key} 0 {}\r\n{key}\r\nEND\r\n", key.len());
    let mut client = Client::connect(ketch.memcached);
    for _ in 0..20 {
        client.expect(format!("get {}\r\nget {}\r\n", key_of(0), key_of(1)), item(key_of(0)));
        go.send(()).unwrap();
        client.expect("", item(key_of(1)));
    }
}

fn slowed(port: u16, chunk: usize, delay: impl Fn(&mut Rng) -> Duration + Send + Sync + 'static) -> Fake {
    Fake::start(move |talk| {
        let random = Mutex::new(Rng::with_seed(seed() + talk.number as u64));
        relay(talk, port, chunk, |way| {
            if way == Way::ToKetch {
                let delay = delay(&mut random.lock().unwrap());
                std::thread::sleep(delay);
            }
            true
        });
    })
}

fn answer_after(talk: &mut Talk, delay: Duration) {
    while let Some(said) = talk.hear() {
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        talk.say(echo(&said));
    }
}

/// Says everything without waiting, while it hears everything up to the close.
fn pipelined(address: SocketAddr, said: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(address);
    let mut mouth = client.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            mouth.write_all(said).unwrap();
            mouth.write_all(b"quit\r\n").unwrap();
        });
        client.rest()
    })
}

/// Commands of every kind, over keys of the client's own.
fn conversation(client: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(client);
    let mut said = String::new();
    for number in 0..COMMANDS {
        let key = |random: &mut Rng| format!("c{client}-{}", random.u8(0..60));
        let (k, other) = (key(&mut random), key(&mut random));
        let value = format!("{number}{}", "v".repeat(random.usize(0..40)));
        let size = value.len();
        let silent = if random.u8(0..8) == 0 { " noreply" } else { "" };
        said += &match random.u8(0..34) {
            0..=3 => format!("get {k}\r\n"),
            4 => format!("get {k} {other} {} nothing\r\n", key(&mut random)),
            5 => format!("gets {k} {other}\r\n"),
            6 => format!("gat 1000 {k} {other}\r\n"),
            7..=9 => format!("set {k} {number} 0 {size}{silent}\r\n{value}\r\n"),
            10 => format!("set {k} 0 0 2\r\n{}\r\n", random.u8(10..100)),
            11 => format!("add {k} 7 0 {size}{silent}\r\n{value}\r\n"),
            12 => format!("replace {k} 8 0 {size}{silent}\r\n{value}\r\n"),
            13 => format!("append {k} 0 0 1{silent}\r\na\r\n"),
            14 => format!("prepend {k} 0 0 1{silent}\r\np\r\n"),
            15 => format!("cas {k} 0 0 1 18446744073709551615\r\nx\r\n"),
            16 => format!("incr {k} {}{silent}\r\n", random.u8(..)),
            // Not by more: whether a shorter number is padded with blanks is memcached's own chance.
            17 => format!("decr {k} 0\r\n"),
            18 => format!("touch {k} 1000{silent}\r\n"),
            19 | 20 => format!("delete {k}{silent}\r\n"),
            21..=23 => format!("mg {k} s v k O{number}\r\n"),
            24 => format!("mg {k} v q O{number}\r\n"),
            25 => format!("ms {k} {size} O{number} k\r\n{value}\r\n"),
            26 => format!("md {k} O{number}\r\n"),
            27 => format!("ma {k} O{number} v N0 J5\r\n"),
            28 => format!("me {k}\r\n"),
            29 => "mn\r\n".to_owned(),
            30 => "version\r\n".to_owned(),
            31 => "stats\r\n".to_owned(),
            32 => "verbosity 1\r\n".to_owned(),
            _ => ["flush_all 86400\r\n", "nonsense\r\n", "set x y\r\n", "get\r\n"][random.usize(0..4)].to_owned(),
        };
    }
    said.into_bytes()
}

/// The lines without what two servers may say differently: figures, versions, cas tokens, ages.
fn masked(heard: &[u8]) -> Vec<String> {
    let heard = String::from_utf8_lossy(heard);
    let mask = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        match words[0] {
            "STAT" => None,
            "VERSION" => Some("VERSION".to_owned()),
            "VALUE" => Some(words[..4].join(" ")),
            "ME" => Some(words[..2].join(" ")),
            _ => Some(line.to_owned()),
        }
    };
    heard.split("\r\n").filter_map(mask).collect()
}
