//! Promise 4, no blind retry: only what is idempotent, or was certainly never sent, is tried again.

mod support;

use std::net::{SocketAddr, TcpListener};

use support::fake::{Fake, Talk, echo};
use support::load::metric;
use support::{Client, Ketch, pool, wait_for};

/// What changes something, each with the beginning of what a node hears of it.
const WRITES: &[(&str, &str)] = &[
    ("set k 0 0 1\r\nx\r\n", "set k"),
    ("add k 0 0 1\r\nx\r\n", "add k"),
    ("replace k 0 0 1\r\nx\r\n", "replace k"),
    ("append k 0 0 1\r\nx\r\n", "append k"),
    ("prepend k 0 0 1\r\nx\r\n", "prepend k"),
    ("cas k 0 0 1 5\r\nx\r\n", "cas k"),
    ("delete k\r\n", "delete k"),
    ("incr k 1\r\n", "incr k"),
    ("decr k 1\r\n", "decr k"),
    ("touch k 100\r\n", "touch k"),
    ("gat 100 k\r\n", "gat 100 k"),
    ("ms k 1\r\nx\r\n", "ms k"),
    ("md k\r\n", "md k"),
    ("ma k\r\n", "ma k"),
    ("mg k v T30\r\n", "mg k"),
    ("mg k v N30\r\n", "mg k"),
    ("flush_all\r\n", "flush_all"),
];

/// What only looks.
const READS: &[(&str, &str)] =
    &[("get k\r\n", "get k"), ("gets k\r\n", "gets k"), ("get k l m\r\n", "get k l m"), ("mg k v\r\n", "mg k v")];

/// Nothing is taken out, and no probe is counted.
const SETTINGS: &str = "reads_on_error: error, health: { probe_interval: 1h, max_ejected: 0% }";

#[test]
fn a_write_that_was_read_and_not_answered_is_heard_once() {
    for (said, heard) in WRITES {
        let (node, mut client, _ketch) = warm(|talk| drop(talk.hear()));
        client.say(said);
        let answer = client.line();
        assert!(answer.starts_with("SERVER_ERROR"), "{answer} to {said:?}");
        // A later request was answered, so whatever was to be sent again has been.
        let later = client.ask("delete later");
        assert!(later.starts_with("SERVER_ERROR"), "{later}");
        assert_eq!(node.heard(heard), 1, "{said:?}: {:?}", node.commands());
    }
}

#[test]
fn a_write_whose_answer_was_cut_off_or_garbage_is_heard_once() {
    for answer in ["", "ST", "STORED", "HD", "1", "what?\r\n"] {
        for (said, heard) in WRITES {
            let (node, mut client, _ketch) = warm(move |talk| {
                talk.hear();
                talk.say(answer);
            });
            client.say(said);
            let told = client.line();
            assert!(told.starts_with("SERVER_ERROR"), "{told} to {said:?} answered with {answer:?}");
            assert_eq!(node.heard(heard), 1, "{said:?}: {:?}", node.commands());
        }
    }
}

/// What is large leaves at once, and is not kept once it has.
#[test]
fn a_large_write_that_was_read_and_not_answered_is_heard_once_and_not_held_meanwhile() {
    let (sender, signals) = std::sync::mpsc::channel::<()>();
    let signals = std::sync::Mutex::new(signals);
    let (node, mut client, ketch) = warm(move |talk| {
        talk.hear();
        if talk.number == 0 {
            talk.hear();
            let _ = signals.lock().unwrap().recv();
        }
    });
    let value = "v".repeat(300_000);
    client.say(format!("set k 0 0 300000\r\n{value}\r\nappend l 0 0 300000\r\n{value}\r\n"));
    wait_for("the node to have heard both", || (node.heard("set k") + node.heard("append l") == 2).then_some(()));
    wait_for("both to be let go", || (metric(&ketch, "ketch_buffered_bytes") < 100_000.0).then_some(()));
    sender.send(()).unwrap();
    for _ in 0..2 {
        let answer = client.line();
        assert!(answer.starts_with("SERVER_ERROR"), "{answer}");
    }
    drop(sender);
    let later = client.ask("delete later");
    assert!(later.starts_with("SERVER_ERROR"), "{later}");
    assert_eq!((node.heard("set k"), node.heard("append l")), (1, 1), "{:?}", node.commands());
}

/// The node closes in the middle of it: whoever has it does not know how much of it was carried out.
#[test]
fn a_large_write_that_was_cut_off_is_begun_once() {
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let ear = heard.clone();
    let (_node, mut client, _ketch) = warm(move |talk| {
        let begun = talk.hear_line();
        ear.lock().unwrap().extend(begun);
    });
    for size in [100_000, 1_000_000] {
        let value = "v".repeat(size);
        client.say(format!("set k{size} 0 0 {size}\r\n{value}\r\n"));
        let answer = client.line();
        assert!(answer.starts_with("SERVER_ERROR"), "{answer}");
    }
    let later = client.ask("delete later");
    assert!(later.starts_with("SERVER_ERROR"), "{later}");
    let mut heard = heard.lock().unwrap().clone();
    heard.retain(|line| line != "delete later");
    assert_eq!(heard, ["set k100000 0 0 100000", "set k1000000 0 0 1000000"]);
}

#[test]
fn a_read_that_was_not_answered_is_asked_once_more() {
    for (said, heard) in READS {
        // The first connection fails, the next behaves.
        let (node, mut client, _ketch) = warm(|talk| match talk.number {
            0 => drop(talk.hear()),
            _ => talk.behave(),
        });
        client.say(said);
        let answer = client.line();
        assert!(answer.starts_with("VA"), "{answer} to {said:?}");
        assert_eq!(node.heard(heard), 2, "{said:?}: {:?}", node.commands());
    }
}

#[test]
fn a_read_is_not_asked_for_ever() {
    for (said, heard) in READS {
        let (node, mut client, _ketch) = warm(|talk| drop(talk.hear()));
        client.say(said);
        let answer = client.line();
        assert!(answer.starts_with("SERVER_ERROR"), "{answer} to {said:?}");
        assert_eq!(node.heard(heard), 2, "{said:?}: {:?}", node.commands());
    }
}

/// Nobody listens yet: nothing was sent, so everything may wait for the connection or be asked anew.
#[test]
fn what_was_never_sent_is_refused_without_being_heard_and_works_later() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    drop(holder);
    let ketch = Ketch::start(&pool(&[address.to_string()], SETTINGS));
    let mut client = ketch.connect();
    for (said, _) in WRITES {
        client.say(said);
        let answer = client.line();
        assert!(answer.starts_with("SERVER_ERROR"), "{answer} to {said:?}");
    }
    let node = Fake::start_on(address, Talk::behave);
    wait_for("the node", || (client.ask("touch k 1") == "TOUCHED").then_some(()));
    assert_eq!(node.heard("incr"), 0, "{:?}", node.commands());
}

/// The node closes an idle connection; the write that meets the closed socket must be applied once or told to have
/// failed, and a read must not notice at all.
#[test]
fn an_idle_connection_that_was_closed_costs_no_read_and_doubles_no_write() {
    let (node, ketch) = over(|talk| {
        while let Some(said) = talk.hear() {
            talk.say(echo(&said));
            if said.line.ends_with("last") {
                return;
            }
        }
    });
    let mut client = ketch.connect();
    for number in 0..200 {
        client.expect("get last\r\n", "VALUE last 0 4\r\nlast\r\nEND\r\n");
        let key = format!("key{number}");
        client.say(format!("incr {key} 1\r\n"));
        let told = client.line();
        let heard = node.heard(&format!("incr {key} "));
        assert!(told == "1" && heard == 1 || told.starts_with("SERVER_ERROR") && heard <= 1, "{told}, heard {heard}");
    }
}

/// Many writers at once, over connections that break at any moment: no write is heard twice.
#[test]
fn under_load_no_write_is_heard_twice() {
    let (node, ketch) = over(|talk| {
        for _ in 0..7 {
            let Some(said) = talk.hear() else { return };
            talk.say(echo(&said));
        }
        talk.hear();
    });
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (address, node) = (ketch.memcached, &node);
            scope.spawn(move || write(address, writer, node));
        }
    });
    let mut commands = node.commands();
    let heard = commands.len();
    commands.sort();
    commands.dedup();
    assert_eq!(commands.len(), heard, "some were heard twice");
}

/// Counts under new keys until the node has heard enough; some of it meets no connection and is refused.
fn write(address: SocketAddr, writer: u32, node: &Fake) {
    let mut client = Client::connect(address);
    let mut number = 0;
    wait_for("the node to hear enough", || {
        for part in 0..10 {
            client.say(format!("incr key-{writer}-{number}-{part} 1\r\n"));
        }
        for _ in 0..10 {
            let told = client.line();
            assert!(told == "1" || told.starts_with("SERVER_ERROR"), "{told}");
        }
        number += 1;
        (node.heard("incr") > 300).then_some(())
    });
}

/// The first connection has answered something before it comes to the script: ketch trusts it, as one that works.
fn warm(script: impl Fn(&mut Talk) + Send + Sync + 'static) -> (Fake, Client, Ketch) {
    let (node, ketch) = over(move |talk| {
        if talk.number == 0
            && let Some(said) = talk.hear()
        {
            talk.say(echo(&said));
        }
        script(talk);
    });
    let mut client = ketch.connect();
    client.expect("get warm\r\n", "VALUE warm 0 4\r\nwarm\r\nEND\r\n");
    (node, client, ketch)
}

fn over(script: impl Fn(&mut Talk) + Send + Sync + 'static) -> (Fake, Ketch) {
    let node = Fake::start(script);
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[node.address()], SETTINGS)));
    (node, ketch)
}
