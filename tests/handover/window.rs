//! The window: when it opens and closes, what it counts, and what travels through it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use super::support::fake::Fake;
use super::support::load::{Lag, metric, place, told};
use super::support::{Client, Ketch, Memcached, pool, wait_for};

/// Two nodes and the keys that belong to each when both are there.
struct Pair {
    nodes: [Memcached; 2],
    ketch: Ketch,
}

impl Pair {
    /// The pool is the first node alone; `settings` are more keys of it.
    fn start(settings: &str) -> Self {
        let nodes = [Memcached::start(), Memcached::start()];
        let ketch = Ketch::start(&pool(&[nodes[0].address()], &format!("handover: 1m, {settings}")));
        Self { nodes, ketch }
    }

    /// The pool becomes the second node alone: every key moves.
    fn swap(&self, settings: &str) {
        self.ketch.reconfigure(&pool(&[self.nodes[1].address()], &format!("handover: 1m, {settings}")));
    }

    /// A client of one of the servers itself.
    fn node(&self, number: usize) -> Client {
        Client::connect(([127, 0, 0, 1], self.nodes[number].port).into())
    }
}

fn window(ketch: &Ketch) -> serde_json::Value {
    let (status, page) = ketch.look("/topology");
    assert_eq!(status, 200);
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    page["pools"][0]["handover"].clone()
}

fn counted(ketch: &Ketch) -> [u64; 3] {
    ["asked", "found", "filled"]
        .map(|step| metric(ketch, &format!("ketch_handover_total{{pool=\"main\",step=\"{step}\"}} ")) as u64)
}

#[test]
fn what_is_counted_is_true() {
    let pair = Pair::start("");
    let mut client = pair.ketch.connect();
    for key in 0..10 {
        client.expect(format!("set key-{key} 0 0 1\r\nx\r\n"), "STORED\r\n");
    }
    assert_eq!((counted(&pair.ketch), window(&pair.ketch)), ([0, 0, 0], serde_json::Value::Null));
    pair.swap("");
    for key in 0..12 {
        let heard = if key < 10 { format!("VALUE key-{key} 0 1\r\nx\r\nEND\r\n") } else { "END\r\n".to_owned() };
        client.expect(format!("get key-{key}\r\n"), &heard);
    }
    for _ in 0..3 {
        client.expect("get key-1 key-2\r\n", "VALUE key-1 0 1\r\nx\r\nVALUE key-2 0 1\r\nx\r\nEND\r\n");
    }
    assert_eq!(counted(&pair.ketch), [12, 10, 10]);
    let told = window(&pair.ketch);
    assert_eq!((&told["asked"], &told["found"], &told["filled"]), (&12.into(), &10.into(), &10.into()));
    assert_eq!(told["departed"][0]["name"], pair.nodes[0].address());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
    let until = told["asks_until"].as_u64().unwrap();
    assert!((now + 50_000..now + 61_000).contains(&until), "{until} at {now}");
    // A client's read is counted once, whatever became of it.
    let (_, page) = pair.ketch.look("/metrics");
    let count = |result: &str| {
        let lines =
            page.lines().filter(|line| line.starts_with("ketch_requests_total") && line.contains(r#"command="get""#));
        lines
            .filter(|line| line.contains(result))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    assert_eq!((count(r#"result="hit""#), count(r#"result="miss""#)), (10 + 6, 2), "{page}");
}

#[test]
fn it_closes_by_itself_and_lets_the_old_owner_go() {
    let nodes = [Memcached::start(), Memcached::start()];
    let config = |node: usize| pool(&[nodes[node].address()], "handover: 3s");
    let ketch = Ketch::start(&config(0));
    let mut client = ketch.connect();
    client.expect("set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n", "STORED\r\nSTORED\r\n");
    let begun = Instant::now();
    ketch.reconfigure(&config(1));
    client.expect("get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
    wait_for("the end of the window", || ketch.log().contains("handover closed").then_some(()));
    assert!(begun.elapsed() >= Duration::from_secs(6), "{:?}", begun.elapsed());
    let log = ketch.log();
    assert!(log.contains("asked=1 found=1 filled=1 why=\"its time is over\""), "{log}");
    assert_eq!(log.matches("handover opened").count(), 1, "{log}");
    assert!(window(&ketch).is_null());
    client.expect("get a b\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
    // Nobody is asked any more who has left, by idle workers either: its connections end.
    let connections =
        |node: &Memcached| told(&mut Client::connect(([127, 0, 0, 1], node.port).into()), "stats", "curr_connections");
    let untouched = Memcached::start();
    let none = connections(&untouched);
    wait_for("the last connection to the node that left", || (connections(&nodes[0]) == none).then_some(()));
}

#[test]
fn it_ends_with_the_next_change_which_asks_the_ring_before_it_only() {
    let nodes: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let config = |node: usize, more: &str| pool(&[nodes[node].address()], &format!("handover: 1m, {more}"));
    let ketch = Ketch::start(&config(0, ""));
    let mut client = ketch.connect();
    client.expect("set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n", "STORED\r\nSTORED\r\n");
    ketch.reconfigure(&config(1, ""));
    client.expect("get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
    ketch.reconfigure(&config(1, "reads_on_error: error"));
    assert_eq!(window(&ketch)["asked"], 1, "what does not move keys leaves the window");
    ketch.reconfigure(&config(2, ""));
    let why = "asked=1 found=1 filled=1 why=\"the configuration has changed\"";
    wait_for("the first window to be closed", || ketch.log().contains(why).then_some(())); // told behind the reload
    client.expect("get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
    client.expect("get b\r\n", "END\r\n");
    ketch.reconfigure(&pool(&[nodes[2].address()], ""));
    wait_for("the second window to be closed", || (ketch.log().matches("handover closed").count() == 2).then_some(()));
    assert!(window(&ketch).is_null());
}

#[test]
fn flags_life_and_bytes_travel() {
    let pair = Pair::start("");
    let mut client = pair.ketch.connect();
    let large = vec![b'\r'; 900_000];
    client.expect("set flags 4294967295 0 1\r\nx\r\nset life 0 100 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    client.expect(
        "set long 0 31536000 1\r\nx\r\nms YSBi 2 b F9 T50\r\n\0\n\r\nset empty 3 0 0\r\n\r\n",
        "STORED\r\nHD\r\nSTORED\r\n",
    );
    client.say([b"set large 1 0 900000\r\n", &large[..], b"\r\n"].concat());
    assert_eq!(client.line(), "STORED");
    let year = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 31_536_000;
    client.expect(format!("set long 0 {year} 1\r\nx\r\n"), "STORED\r\n");
    pair.swap("");
    client.expect("get flags\r\n", "VALUE flags 4294967295 1\r\nx\r\nEND\r\n");
    client.expect("mg YSBi b f v k\r\n", "VA 2 f9 kYSBi b\r\n\0\n\r\n");
    client.expect("get empty\r\n", "VALUE empty 3 0\r\n\r\nEND\r\n");
    client.say("get large\r\n");
    assert_eq!(
        (client.line(), client.bytes(900_002)),
        ("VALUE large 1 900000".to_owned(), [&large[..], b"\r\n"].concat())
    );
    assert_eq!(client.line(), "END");
    client.expect("get life long\r\n", "VALUE life 0 1\r\nx\r\nVALUE long 0 1\r\nx\r\nEND\r\n");
    let mut new = pair.node(1);
    let mut left = |key: &str| new.ask(&format!("mg {key} t")).strip_prefix("HD t").unwrap().parse::<i64>().unwrap();
    assert!((90..=100).contains(&left("life")), "{}", left("life"));
    assert!((31_535_900..=31_536_001).contains(&left("long")), "{}", left("long"));
    assert_eq!(left("flags"), -1);
    assert!((40..=50).contains(&left("YSBi b")), "{}", left("YSBi b"));
}

#[test]
fn an_empty_value_is_a_value_and_a_placeholder_is_none() {
    for handover in ["1m", "0s"] {
        let nodes = [Memcached::start()];
        let ketch = Ketch::start(&pool(&[nodes[0].address()], &format!("handover: {handover}")));
        let (mut client, mut node) = (ketch.connect(), Client::connect(([127, 0, 0, 1], nodes[0].port).into()));
        client.expect("set empty 3 0 0\r\n\r\n", "STORED\r\n");
        assert!(node.ask("mg lease s N30").contains('W'));
        let lease = if handover == "0s" { "VALUE lease 0 0\r\n\r\n" } else { "" };
        client.expect("get empty lease\r\n", format!("VALUE empty 3 0\r\n\r\n{lease}END\r\n"));
        client.expect("mg lease v\r\n", if handover == "0s" { "VA 0 Z\r\n\r\n" } else { "EN\r\n" });
        client.expect("mg lease v N30\r\n", "VA 0 Z\r\n\r\n");
        client.expect("gets empty\r\n", "VALUE empty 3 0 1\r\n\r\nEND\r\n");
    }
}

#[test]
fn every_command_finds_the_item_of_the_old_owner() {
    let pair = Pair::start("");
    let mut client = pair.ketch.connect();
    let keys = [
        "add", "replace", "append", "prepend", "incr", "decr", "touch", "gat", "cas", "mg", "ms", "ma", "md", "delete",
        "lease", "set",
    ];
    for key in keys {
        client.expect(format!("set {key} 5 0 2\r\n10\r\n"), "STORED\r\n");
    }
    pair.swap("");
    client.expect("add add 0 0 1\r\nx\r\n", "NOT_STORED\r\n");
    client.expect("add new 0 0 1\r\nx\r\nadd new 0 0 1\r\ny\r\n", "STORED\r\nNOT_STORED\r\n");
    client.expect("replace replace 0 0 1\r\nx\r\nreplace none 0 0 1\r\nx\r\n", "STORED\r\nNOT_STORED\r\n");
    client.expect("append append 0 0 1\r\nx\r\nappend none 0 0 1\r\nx\r\n", "STORED\r\nNOT_STORED\r\n");
    client.expect("prepend prepend 0 0 1\r\nx\r\n", "STORED\r\n");
    client.expect("incr incr 5\r\ndecr decr 3\r\nincr none 1\r\n", "15\r\n7\r\nNOT_FOUND\r\n");
    client.expect("touch touch 100\r\ntouch none 100\r\n", "TOUCHED\r\nNOT_FOUND\r\n");
    client.expect("gat 100 gat none\r\n", "VALUE gat 5 2\r\n10\r\nEND\r\n");
    client.say("gets cas\r\n");
    let token = client.line().rsplit(' ').next().unwrap().to_owned();
    assert_eq!((client.line(), client.line()), ("10".to_owned(), "END".to_owned()));
    client.expect(format!("cas cas 0 0 1 {token}\r\nx\r\n"), "STORED\r\n");
    client.expect(format!("cas cas 0 0 1 {token}\r\ny\r\ncas none 0 0 1 7\r\ny\r\n"), "EXISTS\r\nNOT_FOUND\r\n");
    client.expect("mg mg v f O9 k\r\n", "VA 2 f5 O9 kmg\r\n10\r\n");
    client.expect("ms ms 1 MA O9\r\nx\r\nms none 1 MA k\r\nx\r\nms none 1 MR\r\nx\r\n", "HD O9\r\nNS knone\r\nNS\r\n");
    client.expect("ma ma D2 v\r\nma none\r\nma auto N0 J7 v\r\n", "VA 2\r\n12\r\nNF\r\nVA 1\r\n7\r\n");
    client.expect("md md k O1\r\nmd none k O1\r\nmg md v\r\n", "HD kmd O1\r\nNF knone O1\r\nEN\r\n");
    client.expect("delete delete\r\ndelete delete\r\nget delete\r\n", "DELETED\r\nNOT_FOUND\r\nEND\r\n");
    client.expect("mg lease v N30\r\n", "VA 2\r\n10\r\n");
    client.expect("mg none2 s N30\r\nmg none2 s N30\r\n", "HD s0 W\r\nHD s0 Z\r\n");
    client.expect("set set 0 0 1\r\nx\r\nget set\r\n", "STORED\r\nVALUE set 0 1\r\nx\r\nEND\r\n");
    client.expect(
        "get append prepend replace new incr decr auto\r\n",
        "VALUE append 5 3\r\n10x\r\nVALUE prepend 5 3\r\nx10\r\nVALUE replace 0 1\r\nx\r\nVALUE new 0 1\r\nx\r\n\
         VALUE incr 5 2\r\n15\r\nVALUE decr 5 2\r\n7 \r\nVALUE auto 0 1\r\n7\r\nEND\r\n",
    );
    // What was written is not on the old owner any more; what was only read is.
    let mut old = pair.node(0);
    old.expect("get replace append incr touch gat cas md delete set\r\n", "END\r\n");
    old.expect("get mg\r\n", "VALUE mg 5 2\r\n10\r\nEND\r\n");
}

#[test]
fn what_a_client_pipelines_happens_in_its_order() {
    let pair = Pair::start("");
    let mut client = pair.ketch.connect();
    for key in 0..50 {
        client.expect(format!("set key-{key} 0 0 3\r\nold\r\n"), "STORED\r\n");
    }
    pair.swap("");
    let said = |key: usize| {
        format!(
            "get key-{key}\r\nset key-{key} 0 0 3 noreply\r\nnew\r\nget key-{key} other\r\nappend key-{key} 0 0 1\r\n!\r\n\
             get key-{key}\r\ndelete key-{key} noreply\r\nget key-{key}\r\nadd key-{key} 0 0 3\r\nadd\r\ngets key-{key} x\r\n"
        )
    };
    client.say((0..50).map(said).collect::<String>());
    for key in 0..50 {
        // A read that came before the write may miss, but never sees it.
        let first = client.line();
        if first != "END" {
            assert_eq!((client.line(), client.line()), ("old".to_owned(), "END".to_owned()));
        }
        for heard in [
            "VALUE key 0 3",
            "new",
            "END",
            "STORED",
            "VALUE key 0 4",
            "new!",
            "END",
            "END",
            "STORED",
            "VALUE key 0 3",
            "add",
            "END",
        ] {
            let line = client.line().replace(&format!("key-{key}"), "key");
            assert!(line == heard || line.starts_with(&format!("{heard} ")), "{key}: {line} for {heard}");
        }
    }
}

#[test]
fn a_flush_reaches_the_old_owner_before_what_comes_behind_it() {
    let pair = Pair::start("");
    let mut client = pair.ketch.connect();
    client.expect("set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n", "STORED\r\nSTORED\r\n");
    pair.swap("");
    client.expect("get a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n");
    // memcached's flush covers the second in which it comes; what comes behind it is stored all the same.
    client.expect("flush_all\r\nget a b\r\n", "OK\r\nEND\r\n");
    client.say("flush_all\r\nset c 0 0 1\r\nz\r\nget b c\r\n");
    assert_eq!([client.line(), client.line(), client.line()], ["OK", "STORED", "VALUE c 0 1"]);
    assert_eq!([client.line(), client.line()], ["z", "END"]);
    pair.node(0).expect("get a b\r\n", "END\r\n");
}

#[test]
fn a_dead_old_owner_is_put_out_and_costs_no_more() {
    let mut pair = Pair::start("health: { probe_interval: 100ms, eject_after: 3 }");
    let mut client = pair.ketch.connect();
    client.expect("set a 0 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n", "STORED\r\nSTORED\r\n");
    pair.nodes[0].process.kill();
    pair.swap("health: { probe_interval: 100ms, eject_after: 3 }");
    client.expect("get a\r\n", "END\r\n");
    wait_for("the old owner to be put out", || {
        client.say("set b 0 0 1\r\nz\r\n");
        match client.line().as_str() {
            "STORED" => Some(()),
            line => {
                assert!(line.starts_with("SERVER_ERROR cache node "), "{line}");
                None
            }
        }
    });
    assert!(pair.ketch.log().matches("node ejected").count() <= 1, "{}", pair.ketch.log());
    client.expect("get a b\r\ndelete b\r\nget b\r\n", "VALUE b 0 1\r\nz\r\nEND\r\nDELETED\r\nEND\r\n");
    // A server that comes up in its place is none of the window's any more.
    let again = Memcached::start_on(pair.nodes[0].port, &[]);
    pair.node(0).expect("set c 0 0 1\r\nx\r\n", "STORED\r\n");
    client.expect("get c\r\nset c 0 0 1\r\ny\r\nget c\r\n", "END\r\nSTORED\r\nVALUE c 0 1\r\ny\r\nEND\r\n");
    drop(again);
}

#[test]
fn an_old_owner_that_says_nothing_costs_the_time_of_one_request() {
    let pair = Pair::start("request_timeout: 300ms, health: { probe_interval: 1h, eject_after: 100 }");
    let mut client = pair.ketch.connect();
    client.expect("set a 0 0 1\r\nx\r\n", "STORED\r\n");
    pair.swap("request_timeout: 300ms, health: { probe_interval: 1h, eject_after: 100 }");
    client.expect("get c\r\n", "END\r\n");
    pair.nodes[0].process.signal("STOP");
    let lag = Lag::start();
    let is_one = |begun: Instant| {
        let (took, late) = (begun.elapsed(), lag.of_an_answer(begun));
        let most = Duration::from_millis(1500) + late;
        assert!(took >= Duration::from_millis(200) && took < most, "{took:?}, {late:?} of it for the machine");
    };
    let begun = Instant::now();
    client.expect("get a\r\n", "END\r\n");
    is_one(begun);
    let begun = Instant::now();
    client.say("set a 0 0 1\r\ny\r\n");
    assert_eq!(client.line(), "SERVER_ERROR cache node did not answer in time");
    is_one(begun);
    pair.nodes[0].process.signal("CONT");
    wait_for("the old owner to answer again", || (client.ask("touch b 0") == "NOT_FOUND").then_some(()));
    client.expect("set a 0 0 1\r\nz\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\nz\r\nEND\r\n");
}

/// A machine that stands still for longer than a lease lives costs no hit.
#[test]
fn a_lease_that_ran_out_is_got_again() {
    let asked = AtomicU64::new(0);
    let old = Fake::start(move |talk| {
        while let Some(said) = talk.hear() {
            match said.words().as_slice() {
                ["mg", _, flags @ ..] if flags.contains(&"v") => {
                    if asked.fetch_add(1, Relaxed) == 0 {
                        std::thread::sleep(Duration::from_secs(3)); // a lease lives for 2
                    }
                    talk.say("VA 1 s1 f7 t-1 c1\r\nx\r\n");
                }
                ["mg", ..] => drop(talk.say("HD s1 t-1 c1\r\n")),
                _ => drop(talk.say("VERSION 1.6.18\r\n")),
            }
        }
    });
    let new = Memcached::start();
    let ketch = Ketch::start(&pool(&[old.address()], "handover: 1m"));
    ketch.reconfigure(&pool(&[new.address()], "handover: 1m"));
    let mut client = ketch.connect();
    client.expect("get k\r\n", "VALUE k 7 1\r\nx\r\nEND\r\n");
    assert_eq!(old.heard("mg k s f t c v"), 2, "{:?}", old.commands());
    assert_eq!(counted(&ketch), [1; 3]);
}

#[test]
fn keys_that_stay_go_as_always() {
    let nodes: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let addresses: Vec<_> = nodes.iter().map(Memcached::address).collect();
    let ketch = Ketch::start(&pool(&addresses[..2], "handover: 1m"));
    let before = place(&ketch, &addresses, (0..300).map(|key| format!("key-{key}")));
    let mut client = ketch.connect();
    for key in &before {
        client.expect(format!("set {} 0 0 1\r\nx\r\n", key.key), "STORED\r\n");
    }
    ketch.reconfigure(&pool(&addresses, "handover: 1m"));
    let after = place(&ketch, &addresses, (0..300).map(|key| format!("key-{key}")));
    let moved = before.iter().zip(&after).filter(|(before, after)| before.owner != after.owner).count() as u64;
    let names: Vec<_> = before.iter().map(|key| key.key.as_str()).collect();
    let heard: String = names.iter().map(|name| format!("VALUE {name} 0 1\r\nx\r\n")).collect();
    client.expect(format!("get {}\r\n", names.join(" ")), heard + "END\r\n");
    assert_eq!(counted(&ketch), [moved; 3]);
}
