//! h2c clients that ask for more than they may, or stand still: they end, and keep nobody else from being served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Served;
use crate::h2::*;
use crate::support::load::{Lag, metric};
use crate::support::wait_for;

/// Says `bytes` again and again until the server has had enough; with which code it went.
fn flood(address: SocketAddr, beginning: &[u8], bytes: &dyn Fn(u32) -> Vec<u8>, most: u32) -> Outcome {
    let mut client = H2::greet(address);
    client.say(beginning);
    client.0.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    for round in 0..most {
        if !client.say(bytes(round)) {
            break;
        }
    }
    client.say(get(999_999));
    client.outcome(999_999)
}

#[test]
fn floods_are_ended_and_keep_nobody_waiting() {
    let served = served();
    let address = served.address();
    let before = resident(served.ketch.process.id());
    let resets = |round: u32| [get(2 * round + 1), frame(RST_STREAM, 0, 2 * round + 1, &8_u32.to_be_bytes())].concat();
    let named = |round: u32| frame(CONTINUATION, 0, 1, &[b"\0\x09x-flood-", &round.to_be_bytes()[3..], b"\0"].concat());
    for (what, outcome) in [
        (
            "CVE-2024-27316, empty",
            flood(address, &frame(HEADERS, 0, 1, GET), &|_| frame(CONTINUATION, 0, 1, b""), 50_000),
        ),
        ("CVE-2024-27316, with fields", flood(address, &frame(HEADERS, 0, 1, GET), &named, 200_000)),
        ("CVE-2023-44487", flood(address, b"", &resets, 20_000)),
    ] {
        assert!(
            matches!(outcome, Outcome::Gone(None | Some(CALM | PROTOCOL)) | Outcome::Reset(_)),
            "{what}: {outcome:?}"
        );
    }
    // These cost the server answers that nobody reads; its socket fills, and it waits.
    let mut deaf = Vec::new();
    for bytes in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &setting(3, 100))] {
        let mut client = H2::greet(address);
        client.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let many = bytes.repeat(1000);
        for _ in 0..500 {
            if !client.say(&many) {
                break;
            }
        }
        deaf.push(client);
    }
    let (lag, asked) = (Lag::start(), Instant::now());
    reads(address);
    let (waited, late) = (asked.elapsed(), lag.of_an_answer(asked));
    assert!(waited < Duration::from_secs(5) + late, "a good client waited {waited:?}, {late:?} of it for the machine");
    let grown = resident(served.ketch.process.id()).saturating_sub(before);
    assert!(grown < 64 << 20, "{} KiB more are resident", grown >> 10);
}

#[test]
fn more_streams_than_are_allowed_are_refused() {
    let served = served();
    let mut client = H2::greet(served.address());
    client.say((0..200).map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, PUT)).collect::<Vec<_>>().concat());
    let outcome = client.outcome(u32::MAX);
    assert!(matches!(outcome, Outcome::Reset(REFUSED | PROTOCOL) | Outcome::Gone(_)), "{outcome:?}");
    reads(served.address());
}

/// Four bodies of each of a hundred clients: of those that wait for their place, no more comes than h2's windows let
/// through.
#[test]
fn bodies_that_wait_hold_no_more_than_their_windows() {
    const MEMORY: u64 = 32 << 20;
    let served = Served::configured(
        "pools: { main: { protocol: embedded, nodes: [a] } }\nroutes: [{ pool: main }]\n\
         workers: 1\nlimits: { memory: 32MiB }\n",
    );
    let before = resident(served.ketch.process.id());
    let announced = [PUT, b"\x0f\x0d\x071000000"].concat(); // content-length
    let mut clients: Vec<_> = (0..100).map(|_| H2::greet(served.address())).collect();
    let mut said = 0;
    for client in &mut clients {
        let (one, all) = client.window();
        let each = one.min(all / 4) / 1024;
        for stream in [1, 3, 5, 7] {
            client.say(frame(HEADERS, END_HEADERS, stream, &announced));
            assert!(client.say(frame(DATA, 0, stream, &[b'v'; 1024]).repeat(each)));
            said += each << 10;
        }
    }
    let name = format!("ketch_client_bytes_total{{listener=\"{}\",direction=\"in\"}} ", served.address());
    wait_for("all to be read", || (metric(&served.ketch, &name) > said as f64).then_some(()));
    let grown = resident(served.ketch.process.id()).saturating_sub(before);
    println!("{} KiB more are resident for {} KiB", grown >> 10, said >> 10);
    assert!(grown < 2 * MEMORY, "{} KiB more are resident", grown >> 10);
}

/// Bytes of memory that the process has.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Each keeps what it asked for waiting, or never ends what it began; all are gone in the end, and what is held for
/// them with them.
#[test]
fn clients_that_stand_still_are_closed() {
    let served = served();
    let address = served.address();
    let large = vec![b'v'; 1_000_000];
    assert_eq!(served.browser().put("/v1/keys/k", &large).status, 204);
    let begin = Instant::now();
    // Headers that do not end, on a connection that has had an answer.
    let mut slow = H2::greet(address);
    slow.say(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x82\x86\x84"));
    while slow.hear().unwrap().0 != HEADERS {}
    slow.say(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &[0; 4000])[..9]);
    // An answer for which there is no window, while the connection is alive.
    let mut shut = H2::connect(address);
    shut.say([PREFACE, &frame(SETTINGS, 0, 0, &setting(4, 0)), &get(1), &get(3), &get(5)].concat());
    // Answers that nobody reads, over both.
    let mut deaf = H2::connect(address);
    deaf.say(b"GET /v1/keys/k HTTP/1.1\r\nHost: ketch\r\n\r\n".repeat(40));
    let mut deaf_too = H2::connect(address);
    let windows = [frame(SETTINGS, 0, 0, &setting(4, 0x7fff_ffff)), frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0])];
    let many: Vec<_> = (0..40).map(|number| get(2 * number + 1)).collect();
    deaf_too.say([PREFACE, &windows.concat(), &many.concat()].concat());

    let held = || metric(&served.ketch, "ketch_buffered_bytes ");
    wait_for("the answers to be held", || (held() > 3_000_000.0).then_some(()));
    let ends = |what: &str, limit: u64, alive: &mut dyn FnMut() -> bool| {
        while alive() {
            assert!(begin.elapsed() < Duration::from_secs(limit), "{what} is still there");
            std::thread::sleep(Duration::from_millis(500));
        }
        assert!(begin.elapsed() > Duration::from_secs(9), "{what} was closed too soon");
    };
    ends("who ends no headers", 60, &mut || slow.say(b"\0"));
    ends("who opens no window", 120, &mut || shut.say(frame(PING, 0, 0, &[0; 8])));
    let left = || held() < 1_000_000.0;
    ends("what is held for who reads nothing", 180, &mut || !left());
    drop((deaf, deaf_too));
    let mut browser = served.browser();
    assert_eq!(browser.get("/v1/keys/k").body, large);
}
