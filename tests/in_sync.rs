//! Promise 6, in sync: no input, of a client or of a node, makes ketch lose step, hang, or answer another client's
//! request; wherever it is cut.

mod support;

use std::net::SocketAddr;

use fastrand::Rng;
use support::fake::{Fake, Puppet, Talk, echo};
use support::{Client, Ketch, Memcached, pool, wait_for};

/// What a client says, good and bad. It leaves things as it found them, so that it can be said again.
const STREAM: &str = "delete a\r\nset a 5 0 3\r\nabc\r\nget a\r\nget a b a\r\nset a 0 0 3\r\nabcd\r\nadd a 0 0 1 noreply\r\n\
    x\r\nappend a 0 0 2\r\nde\r\nmg a v k Oq s\r\nnonsense\r\nget\r\n\r\nset a\r\nset a 0 0 -1\r\nincr a 1\r\n\
    ms a 2 c\r\nhi\r\nms a S2\r\nmn\r\nset n 0 0 1\r\n5\r\nincr n 6\r\ndecr n 1 noreply\r\nmd n q\r\nget n\n\
    gat 0 a\r\ntouch a 0\r\nset toolong 0 0 2000000 noreply\r\n";

#[test]
fn a_request_may_be_cut_anywhere() {
    let node = Memcached::start();
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[node.address()], "")));
    // Without the last line, whose value would have to follow.
    let stream = &STREAM[..STREAM.find("set toolong").unwrap()];
    let whole = |at: SocketAddr| {
        let mut client = Client::connect(at);
        client.say(format!("{stream}quit\r\n"));
        let heard = String::from_utf8(client.rest()).unwrap();
        // The cas token is another each time.
        heard.lines().filter(|line| !line.starts_with("HD c")).collect::<Vec<_>>().join("\n")
    };
    let node_says = {
        whole(([127, 0, 0, 1], node.port).into());
        whole(([127, 0, 0, 1], node.port).into())
    };
    assert_eq!(whole(ketch.memcached), node_says);
    let mut barrier = ketch.connect();
    for cut in 1..stream.len() {
        let mut client = ketch.connect();
        client.say(&stream[..cut]);
        settle(&mut barrier);
        client.say(&stream[cut..]);
        client.say("quit\r\n");
        let heard = String::from_utf8(client.rest()).unwrap();
        let heard = heard.lines().filter(|line| !line.starts_with("HD c")).collect::<Vec<_>>().join("\n");
        assert_eq!(heard, node_says, "cut at {cut}, behind {:?}", &stream[cut.saturating_sub(20)..cut]);
    }
}

/// Requests of every kind, and a node's answers to them.
const CONVERSATION: &[(&str, &str)] = &[
    ("get a", "VALUE a 7 3\r\nabc\r\nEND\r\n"),
    ("get b", "END\r\n"),
    ("get c d e", "VALUE c 0 4\r\n\r\n\r\n\r\nVALUE e 4294967295 0\r\n\r\nEND\r\n"),
    ("gets f", "VALUE f 0 5 18446744073709551615\r\nEND\r\n\r\nEND\r\n"),
    ("gat 10 g", "VALUE g 0 1\r\ng\r\nEND\r\n"),
    ("set h 0 0 1\r\nx", "STORED\r\n"),
    ("add i 0 0 1\r\nx", "NOT_STORED\r\n"),
    ("cas j 0 0 1 5\r\nx", "EXISTS\r\n"),
    ("delete k", "DELETED\r\n"),
    ("delete l", "NOT_FOUND\r\n"),
    ("incr m 1", "18446744073709551615\r\n"),
    ("incr n 1", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
    ("touch o 5", "TOUCHED\r\n"),
    ("mg p v", "VA 4\r\nEN\r\n\r\n"),
    ("mg q v Oo k", "EN Oo kq\r\n"),
    ("mg r f s t", "HD f0 s10 t-1\r\n"),
    ("ms s 1\r\nx", "HD\r\n"),
    ("md t", "NF\r\n"),
    ("ma u v", "VA 1\r\n1\r\n"),
    ("set v 0 0 1\r\nx", "SERVER_ERROR out of memory storing object\r\n"),
];

#[test]
fn a_reply_may_be_cut_anywhere() {
    let puppet = Puppet::start();
    let settings = "request_timeout: 20s, health: { probe_interval: 1h }";
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[puppet.fake.address()], settings)));
    let said: String = CONVERSATION.iter().map(|(said, _)| format!("{said}\r\n")).collect();
    let answers: String = CONVERSATION.iter().map(|(_, answer)| *answer).collect();
    let (mut client, mut barrier) = (ketch.connect(), ketch.connect());
    // For a client that it does not know ketch reads a few things at once.
    client.say("get k\r\nget l\r\nget m\r\nget n\r\n");
    puppet.hear_and_say(4, "END\r\n".repeat(4));
    client.expect("", "END\r\n".repeat(4));
    for cut in 1..answers.len() {
        client.say(&said);
        puppet.hear_and_say(CONVERSATION.len(), &answers[..cut]);
        settle(&mut barrier);
        puppet.hear_and_say(0, &answers[cut..]);
        client.expect("mn\r\n", format!("{answers}MN\r\n"));
    }
    assert_eq!(puppet.fake.connections(), 1, "ketch took a cut for garbage");
}

/// The node closes in its answer at every place: reads are asked again, writes are told to have failed, all in step.
#[test]
fn a_reply_may_end_anywhere() {
    const SAID: [&str; 8] =
        ["get a", "get bb cc dd", "set e 0 0 1\r\nx", "gets f", "mg g v", "incr h 1", "delete i", "get j"];
    let right: Vec<String> = SAID.iter().map(|said| String::from_utf8(echo(&heard(said))).unwrap()).collect();
    let length = right.concat().len();
    let warm = String::from_utf8(echo(&heard("get warm"))).unwrap();
    let cut_of = move |talk: &Talk| talk.number / 2;
    let fake = Fake::start(move |talk| {
        let answer = |talk: &mut Talk| talk.hear().map(|said| echo(&said)).unwrap_or_default();
        let warm = answer(talk);
        talk.say(warm);
        if talk.number % 2 == 0 {
            let answers: Vec<u8> = (0..SAID.len()).flat_map(|_| answer(talk)).collect();
            let cut = cut_of(talk).min(answers.len());
            talk.say(&answers[..cut]);
            return;
        }
        while let Some(said) = talk.hear() {
            talk.say(echo(&said));
            if said.line == "delete next" {
                return;
            }
        }
    });
    let settings = "request_timeout: 20s, reads_on_error: error, health: { probe_interval: 1h, max_ejected: 0% }";
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[fake.address()], settings)));
    let mut client = ketch.connect();
    for cut in 0..length {
        wait_for("the next connection", || (fake.connections() == cut * 2 + 1).then_some(()));
        client.expect("get warm\r\n", &warm);
        client.say(SAID.map(|said| format!("{said}\r\n")).concat());
        let mut whole = 0;
        for (said, right) in SAID.iter().zip(&right) {
            whole += right.len();
            let first = client.line() + "\r\n";
            if first.starts_with("SERVER_ERROR") {
                let is_write = ["set", "incr", "delete"].iter().any(|name| said.starts_with(name));
                assert!(is_write && whole > cut, "{first} to {said}, cut at {cut}");
                continue;
            }
            let rest = client.bytes(right.len() - first.len());
            assert_eq!(first + &String::from_utf8_lossy(&rest), *right, "to {said}, cut at {cut}");
        }
        // The other connection may not have been needed yet.
        wait_for("the other connection", || (fake.connections() == cut * 2 + 2).then_some(()));
        client.expect("delete next\r\n", "DELETED\r\n");
    }
}

/// What no node should say. None is a whole answer that fits: what fits cannot be told from the truth.
const GARBAGE: &[&str] = &[
    "\r\n",
    "garbage\r\n",
    "VALUE\r\n",
    "VALUE x\r\n",
    "VALUE other 0 5\r\nother\r\nEND\r\n",
    "VALUE other 0 99999999\r\n",
    "VALUE other 0 -1\r\n\r\nEND\r\n",
    "VALUE other x 5\r\nother\r\nEND\r\n",
    "VALUE a 0 1\r\nlonger than it says\r\nEND\r\n",
    "END\r\nEND\r\n",
    "STORED\r\n",
    "HD\r\n",
    "VA 5\r\nother\r\n",
    "12\r\n",
    "\0\0\0\0\r\n",
    "\u{80}\r\n",
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "-ERR unknown command\r\n",
];

#[test]
fn garbage_reaches_no_client() {
    let fake = Fake::start(|talk| {
        let mut random = Rng::with_seed(talk.number as u64);
        for answered in 0.. {
            let Some(said) = talk.hear() else { return };
            if answered > 5 && random.u8(0..30) == 0 {
                talk.say(GARBAGE[random.usize(0..GARBAGE.len())]);
                continue; // as if nothing had been
            }
            talk.say(echo(&said));
        }
    });
    over_swaps_and_garbage(&fake);
}

/// The next answer on that connection may be anybody's: it is closed, and nobody hears of an empty value.
#[test]
fn an_answer_that_lost_its_value_is_no_empty_one() {
    let fake = Fake::start(|talk| {
        while let Some(said) = talk.hear() {
            talk.say(if said.line.contains(" lost ") { b"HD\r\n".to_vec() } else { echo(&said) });
        }
    });
    let settings = "reads_on_error: error, health: { probe_interval: 1h, max_ejected: 0% }";
    let ketch = Ketch::start_with_http(&format!("workers: 1\n{}", pool(&[fake.address()], settings)));
    let mut client = ketch.connect();
    for said in ["mg lost v", "ma lost v", "mg lost k v"] {
        let told = client.ask(said);
        assert!(told.starts_with("SERVER_ERROR cache node "), "{told} to {said}");
        wait_for("the next connection", || {
            let told = client.ask("mg a");
            assert!(told == "HD" || told.starts_with("SERVER_ERROR cache node "), "{told}");
            (told == "HD").then_some(())
        });
        client.expect("mg a v\r\nma a v\r\n", "VA 1\r\na\r\nVA 1\r\n1\r\n");
    }
    let (status, told) = support::http(ketch.http.unwrap(), "GET", "/v1/keys/lost", "");
    assert!(matches!(status, 502 | 503), "{status}: {told}");
}

/// The node swaps answers, and says some twice.
#[test]
fn an_answer_that_went_astray_reaches_no_client() {
    let fake = Fake::start(|talk| {
        let mut random = Rng::with_seed(talk.number as u64);
        for answered in 0.. {
            let Some(said) = talk.hear() else { return };
            match random.u8(0..40) {
                0 if answered > 5 => {
                    let Some(next) = talk.hear() else { return };
                    talk.say([echo(&next), echo(&said)].concat());
                }
                1 if answered > 5 => drop(talk.say([echo(&said), echo(&said)].concat())),
                _ => drop(talk.say(echo(&said))),
            }
        }
    });
    over_swaps_and_garbage(&fake);
}

/// Several clients that read keys of their own, whose values are their names: nobody may get anything else.
fn over_swaps_and_garbage(fake: &Fake) {
    let settings = "request_timeout: 1s, reads_on_error: error, health: { probe_interval: 1h, max_ejected: 0% }";
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[fake.address()], settings)));
    let right: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|number| {
                let address = ketch.memcached;
                scope.spawn(move || read_own_keys(address, number))
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(right > 500, "only {right} items came");
    assert!(fake.connections() > 20, "the node had little to say: {} connections", fake.connections());
    assert!(!ketch.log().contains("panicked"), "{}", ketch.log());
}

fn read_own_keys(address: SocketAddr, client: usize) -> usize {
    let mut items = 0;
    let mut stream = Client::connect(address);
    for round in 0..250 {
        let keys: Vec<_> = (0..10).map(|number| format!("client{client}-{round}-{number}")).collect();
        stream.say(keys.iter().map(|key| format!("get {key}\r\n")).collect::<String>());
        for key in keys {
            let line = stream.line();
            if line == "END" || line.starts_with("SERVER_ERROR") {
                continue;
            }
            assert_eq!(line, format!("VALUE {key} 0 {}", key.len()));
            assert_eq!(stream.line(), key);
            assert_eq!(stream.line(), "END");
            items += 1;
        }
    }
    stream.expect("mn\r\n", "MN\r\n");
    items
}

/// An answer that comes after its deadline is read and dropped, and the next one is for the next request.
#[test]
fn late_answers_are_dropped_in_step() {
    let puppet = Puppet::start();
    let settings = "request_timeout: 100ms, reads_on_error: error, health: { probe_interval: 1h, max_ejected: 0% }";
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[puppet.fake.address()], settings)));
    let (mut early, mut next) = (ketch.connect(), ketch.connect());
    for (said, answer) in CONVERSATION {
        early.say(format!("{said}\r\n"));
        assert_eq!(early.line(), "SERVER_ERROR cache node did not answer in time", "to {said}");
        // The late answer comes together with the one that is waited for, in two halves.
        next.say("get next\r\n");
        let both = format!("{answer}VALUE next 0 4\r\nnext\r\nEND\r\n");
        puppet.hear_and_say(2, &both[..both.len() / 2]);
        puppet.hear_and_say(0, &both[both.len() / 2..]);
        next.expect("", "VALUE next 0 4\r\nnext\r\nEND\r\n");
    }
    early.expect("mn\r\n", "MN\r\n");
    assert_eq!(puppet.fake.connections(), 1, "ketch took a late answer for garbage");
}

/// A value that is swallowed, a line that is refused: what comes behind is heard as it was said.
/// Clients are read into the same buffer in turn.
#[test]
fn half_a_command_is_nobody_elses_however_much_of_it_has_come() {
    let node = Memcached::start();
    let ketch = Ketch::start(&format!("workers: 1\n{}", pool(&[node.address()], "")));
    let mut barrier = ketch.connect();
    for size in [100, 10_000, 20_000, 40_000, 60_000, 100_000, 500_000] {
        let said = format!("set half 0 0 {size}\r\n{}\r\n", "v".repeat(size));
        for (first, second) in [(1, size / 8), (7, size / 2), (13, size - 2), (16, size), (17, size + 10)] {
            let mut client = ketch.connect();
            for piece in [&said[..first], &said[first..second.max(first)]] {
                client.say(piece);
                settle(&mut barrier);
                ketch.connect().expect("get nothing\r\nmn\r\n", "END\r\nMN\r\n");
            }
            client.say(&said[second.max(first)..]);
            assert_eq!(client.line(), "STORED", "{size} in pieces of {first} and {second}");
            settle(&mut barrier);
        }
    }
}

#[test]
fn what_follows_a_refused_value_is_heard() {
    let node = Memcached::start();
    let ketch = Ketch::over(std::slice::from_ref(&node));
    for at in [ketch.memcached, ([127, 0, 0, 1], node.port).into()] {
        let mut client = Client::connect(at);
        client.say(&STREAM[STREAM.find("set toolong").unwrap()..]);
        client.say("get a\r\n".repeat(2_000_000 / 7)); // is all value, and no command
        client.say("x".repeat(2_000_002 - 2_000_000 / 7 * 7));
        client.expect("get toolong\r\nmn\r\n", "END\r\nMN\r\n");
    }
}

/// Returns when the only worker has read all that was said before: what another client says is read after that.
fn settle(barrier: &mut Client) {
    barrier.expect("mn\r\n", "MN\r\n");
    barrier.expect("mn\r\n", "MN\r\n");
}

/// A command as a node hears it.
fn heard(said: &str) -> support::fake::Said {
    let line = said.lines().next().unwrap().to_owned();
    support::fake::Said { line, value: Vec::new() }
}
