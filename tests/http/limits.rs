//! Time limits, connection limits and the drain.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::Served;
use crate::support::fake::Fake;
use crate::support::load::Lag;
use crate::support::{Client, PATIENCE, pool, wait_for};

/// How the connections of the slow are opened: each has a beginning and then comes a byte at a time.
const SLOW: [(&str, &[u8]); 4] = [
    ("headers", b"GET /v1/keys/k HTTP/1.1\r\nHost: ketch\r\nX-Slow: "),
    ("the first line", b"GE"),
    ("the preface of h2c", b"PRI * HTTP/2.0\r\n"),
    ("a body", b"PUT /v1/keys/slow HTTP/1.1\r\nHost: ketch\r\nContent-Length: 1000\r\n\r\n"),
];

#[test]
fn clients_that_send_a_byte_a_second_are_closed_and_keep_nobody_waiting() {
    let served = Served::over_four_memcacheds();
    let mut slow: Vec<_> = (0..500)
        .map(|number| {
            let mut stream = TcpStream::connect(served.address()).unwrap();
            stream.write_all(SLOW[number % SLOW.len()].1).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let (lag, begin) = (Lag::start(), Instant::now());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let good = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !over.load(SeqCst) {
                let asked = Instant::now();
                let mut browser = served.browser();
                assert_eq!(browser.put("/v1/keys/k", "v").status, 204);
                assert_eq!(browser.get("/v1/keys/k").text(), "v");
                slowest = slowest.max(asked.elapsed());
                std::thread::sleep(Duration::from_millis(20));
            }
            slowest
        });
        let mut bytes = [0; 1024];
        while !slow.is_empty() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_secs(1));
            slow.retain_mut(|stream| {
                let heard = stream.read(&mut bytes);
                let is_open = matches!(&heard, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
                    || matches!(heard, Ok(count) if count > 0);
                is_open && stream.write_all(b"T").is_ok()
            });
        }
        over.store(true, SeqCst);
        let slowest = good.join().unwrap();
        let late = 2 * lag.of_an_answer(begin); // a write and a read
        assert!(
            slowest < Duration::from_secs(2) + late,
            "the good client waited {slowest:?}, {late:?} for the machine"
        );
    });
    assert!(slow.is_empty(), "{} slow clients are still there", slow.len());
    assert!(begin.elapsed() > Duration::from_secs(9), "they were closed too soon: {:?}", begin.elapsed());
    // 408 is for those whose body was slow; who has asked nothing yet is told nothing.
}

#[test]
fn an_idle_connection_stays_until_the_limits_say_otherwise() {
    let embedded = "pools: { main: { protocol: embedded, nodes: [a] } }\nroutes: [{ pool: main }]\n";
    let served = Served::configured(&format!("{embedded}limits: {{ client_idle: 2s }}\n"));
    let mut browser = served.browser();
    assert_eq!(browser.put("/v1/keys/k", "v").status, 204);
    let begin = Instant::now();
    assert_eq!(browser.0.rest(), b"");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());

    let patient = Served::configured(embedded);
    let mut browser = patient.browser();
    assert_eq!(browser.put("/v1/keys/k", "v").status, 204);
    std::thread::sleep(Duration::from_secs(12)); // longer than headers may take
    assert_eq!(browser.get("/v1/keys/k").text(), "v");
}

#[test]
fn a_client_over_the_limit_is_told_in_http() {
    let embedded = "pools: { main: { protocol: embedded, nodes: [a] } }\nroutes: [{ pool: main }]\n";
    let served = Served::configured(&format!("{embedded}limits: {{ connections: 3 }}\n"));
    // The test's own look at the memcached port may not have been let go yet.
    let mut clients = Vec::new();
    wait_for("three clients in", || {
        let mut client = Client::connect(served.address());
        // One that is turned away may find the connection broken.
        let _ = client.stream.write_all(b"GET / HTTP/1.1\r\nHost: ketch\r\n\r\n");
        let mut heard = [0; 13];
        if client.stream.read_exact(&mut heard).is_ok() && &heard == b"HTTP/1.1 200 " {
            clients.push(client);
        }
        (clients.len() == 3).then_some(())
    });
    let told = Client::connect(served.address()).rest();
    assert!(told.starts_with(b"HTTP/1.1 503 "), "{}", told.escape_ascii());
    clients.pop();
    wait_for("a place", || {
        let mut stream = TcpStream::connect(served.address()).unwrap();
        let mut heard = Vec::new();
        // One that is turned away may find the connection broken.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ketch\r\nConnection: close\r\n\r\n");
        let _ = stream.read_to_end(&mut heard);
        heard.starts_with(b"HTTP/1.1 200 ").then_some(())
    });
}

#[test]
fn a_drain_finishes_what_was_asked_and_closes_the_idle() {
    let node = Fake::start(|talk| {
        while let Some(said) = talk.hear() {
            std::thread::sleep(Duration::from_millis(500));
            talk.say(if said.line.starts_with("mg") { "EN\r\n" } else { "VERSION 1.6.18\r\n" });
        }
    });
    let mut served = Served::configured(&pool(&[node.address()], ""));
    let (mut idle, mut busy) = (served.browser(), served.browser());
    let mut h2c = served.browser();
    h2c.0.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(idle.get("/nothing").status, 404);
    busy.0.say("GET /v1/keys/k HTTP/1.1\r\nHost: ketch\r\n\r\n");
    wait_for("the node to be asked", || (node.heard("mg") == 1).then_some(()));
    served.ketch.process.signal("TERM");
    assert_eq!(idle.0.rest(), b"");
    let answer = busy.hear("GET");
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    assert_eq!(busy.0.rest(), b"");
    assert!(!h2c.0.rest().is_empty(), "no SETTINGS and GOAWAY");
    let status = wait_for("the end", || served.ketch.process.0.try_wait().unwrap());
    assert!(status.success(), "{status}");
}
