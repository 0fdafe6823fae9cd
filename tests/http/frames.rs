//! h2c frame by frame: what RFC 9113 says to those who break it, and that they keep nobody else from being served.
//!
//! The cases are those of h2spec that concern a server, by their sections, and the floods that became known later
//! (CVE-2023-44487, CVE-2024-27316).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Served;
use crate::support::{PATIENCE, wait_for};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

const PROTOCOL: u32 = 1;
const FLOW: u32 = 3;
const CLOSED: u32 = 5;
const SIZE: u32 = 6;
const REFUSED: u32 = 7;
const COMPRESSION: u32 = 9;
const CALM: u32 = 11;

/// `GET /v1/keys/k` without an authority: `:method`, `:scheme`, `:path`.
const GET: &[u8] = b"\x82\x86\x04\x0a/v1/keys/k";
const PUT: &[u8] = b"\x02\x03PUT\x86\x04\x0a/v1/keys/k";
/// How an answer of 200 begins.
const OK: u8 = 0x88;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, GET)
}

/// Headers of a GET with more fields behind it, each a name and a value that are not indexed.
fn get_with(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = GET.to_vec();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// What the server made of it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// `GOAWAY` with this code, or the connection closed without a word.
    Gone(Option<u32>),
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// An answer of another status than 200.
    Answered,
    /// The request that was asked behind it was answered: it was taken as good.
    Good,
}

struct H2(TcpStream);

impl H2 {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn greet(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.say([PREFACE, &frame(SETTINGS, 0, 0, b"")].concat());
        client
    }

    /// Whether it could be said: a server may have gone in the middle of it.
    fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).is_ok()
    }

    /// Kind, flags, stream and payload of the next frame; `None` at the end.
    fn hear(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        if let Err(error) = self.0.read_exact(&mut head) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the server says nothing");
            return None;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    /// What becomes of what was said; `probe` is the stream of a good request behind it.
    fn outcome(&mut self, probe: u32) -> Outcome {
        let code = |payload: &[u8], at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        loop {
            match self.hear() {
                None => return Outcome::Gone(None),
                Some((GOAWAY, _, _, payload)) if code(&payload, 4) > 0 => {
                    return Outcome::Gone(Some(code(&payload, 4)));
                }
                Some((RST_STREAM, _, _, payload)) => return Outcome::Reset(code(&payload, 0)),
                Some((HEADERS, _, stream, _)) if stream == probe => return Outcome::Good,
                Some((HEADERS, _, _, payload)) if payload[0] != OK => return Outcome::Answered,
                Some(_) => {}
            }
        }
    }
}

/// Over one store, with one item `k`.
fn served() -> Served {
    let served = Served::configured("pools: { main: { protocol: embedded, nodes: [a] } }\nroutes: [{ pool: main }]\n");
    assert_eq!(served.browser().put("/v1/keys/k", "value").status, 204);
    served
}

/// A client that breaks no rule reads the item.
fn reads(address: SocketAddr) {
    let mut client = H2::greet(address);
    client.say(get(1));
    let mut value = Vec::new();
    loop {
        match client.hear().expect("the connection of a good client ends") {
            (HEADERS, _, 1, payload) => assert_eq!(payload[0], OK),
            (DATA, flags, 1, payload) => {
                value.extend(payload);
                if flags & END_STREAM > 0 {
                    return assert_eq!(value, b"value");
                }
            }
            (SETTINGS, flags, ..) if flags & ACK == 0 => drop(client.say(frame(SETTINGS, ACK, 0, b""))),
            _ => {}
        }
    }
}

/// What is said, by the section that forbids it, and the codes with which the connection or the stream may end.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static [u32])> {
    let put = |flags| frame(HEADERS, flags, 1, PUT);
    let window = |stream, increment: u32| frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
    let headers = |block: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
    vec![
        ("4.2 a frame over the limit", frame(HEADERS, END_HEADERS, 1, &[0; 16_385]), &[SIZE]),
        ("4.2 data over the limit", [put(END_HEADERS), frame(DATA, 0, 1, &[0; 16_385])].concat(), &[SIZE]),
        ("4.3 no HPACK", headers(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"), &[COMPRESSION]),
        ("4.3 a frame within a header block", [frame(HEADERS, 0, 1, GET), get(3)].concat(), &[PROTOCOL]),
        ("4.3 another stream's", [frame(HEADERS, 0, 1, GET), frame(CONTINUATION, 4, 3, b"")].concat(), &[PROTOCOL]),
        ("5.1 data on an idle stream", frame(DATA, END_STREAM, 1, b"x"), &[PROTOCOL, CLOSED]),
        ("5.1 a reset of an idle stream", frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()), &[PROTOCOL]),
        ("5.1 a window of an idle stream", window(1, 100), &[PROTOCOL]),
        ("5.1 data behind the end", [get(1), frame(DATA, END_STREAM, 1, b"x")].concat(), &[CLOSED, PROTOCOL]),
        ("5.1 headers behind the end", [get(1), get(1)].concat(), &[CLOSED, PROTOCOL]),
        ("5.1.1 an even stream", get(2), &[PROTOCOL]),
        ("5.1.1 a lower stream", [get(5), get(3)].concat(), &[PROTOCOL, CLOSED]),
        ("6.1 data for no stream", frame(DATA, 0, 0, b"x"), &[PROTOCOL]),
        ("6.1 more padding than data", [put(4), frame(DATA, PADDED, 1, b"\xffx")].concat(), &[PROTOCOL]),
        ("6.2 headers for no stream", frame(HEADERS, END_HEADERS, 0, GET), &[PROTOCOL]),
        ("6.2 more padding than headers", frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff\x82"), &[PROTOCOL]),
        ("6.3 a short priority", frame(PRIORITY, 0, 1, b"\0\0\0\x03"), &[SIZE]),
        ("6.3 a priority for no stream", frame(PRIORITY, 0, 0, b"\0\0\0\x03\x10"), &[PROTOCOL]),
        ("6.4 a short reset", [put(4), frame(RST_STREAM, 0, 1, b"\0\0\0")].concat(), &[SIZE]),
        ("6.4 a reset of no stream", frame(RST_STREAM, 0, 0, b"\0\0\0\x08"), &[PROTOCOL]),
        ("6.5 an acknowledgement with settings", frame(SETTINGS, ACK, 0, &setting(3, 1)), &[SIZE]),
        ("6.5 settings for a stream", frame(SETTINGS, 0, 1, b""), &[PROTOCOL]),
        ("6.5 settings cut short", frame(SETTINGS, 0, 0, b"\0\x03\0"), &[SIZE]),
        ("6.5.2 push that is neither on nor off", frame(SETTINGS, 0, 0, &setting(2, 2)), &[PROTOCOL]),
        ("6.5.2 a window over the limit", frame(SETTINGS, 0, 0, &setting(4, 1 << 31)), &[FLOW]),
        ("6.5.2 a frame size under the limit", frame(SETTINGS, 0, 0, &setting(5, 16_383)), &[PROTOCOL]),
        ("6.6 a push by a client", frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x82"), &[PROTOCOL]),
        ("6.7 a ping for a stream", frame(PING, 0, 1, &[0; 8]), &[PROTOCOL]),
        ("6.7 a short ping", frame(PING, 0, 0, &[0; 6]), &[SIZE]),
        ("6.8 a farewell for a stream", frame(GOAWAY, 0, 1, &[0; 8]), &[PROTOCOL]),
        ("6.9 a window by nothing", window(0, 0), &[PROTOCOL]),
        ("6.9 a stream's window by nothing", [put(4), window(1, 0)].concat(), &[PROTOCOL]),
        ("6.9 a short window", frame(WINDOW_UPDATE, 0, 0, b"\0\0\x01"), &[SIZE]),
        ("6.9.1 a window that overflows", [window(0, 0x7fff_ffff), window(0, 1)].concat(), &[FLOW]),
        ("6.9.1 a stream's window that overflows", [put(4), window(1, 0x7fff_ffff)].concat(), &[FLOW]),
        ("6.10 a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, GET), &[PROTOCOL]),
        ("6.10 behind the end of a block", [put(4), frame(CONTINUATION, 4, 1, b"")].concat(), &[PROTOCOL]),
        ("8.1.1 more than content-length says", content_length("1", b"two"), &[PROTOCOL]),
        ("8.1.1 less than content-length says", content_length("9", b"two"), &[PROTOCOL]),
        ("8.2 a name in capitals", get_with(&[("X-Test", "1")]), &[PROTOCOL]),
        ("8.2.2 a connection's own field", get_with(&[("connection", "keep-alive")]), &[PROTOCOL]),
        ("8.2.2 te that is not trailers", get_with(&[("te", "gzip")]), &[PROTOCOL]),
        ("8.3 a field of the response", get_with(&[(":status", "200")]), &[PROTOCOL]),
        ("8.3 an unknown one", get_with(&[(":test", "1")]), &[PROTOCOL]),
        ("8.3 :path twice", headers(b"\x82\x86\x84\x84"), &[PROTOCOL]),
        ("8.3 behind the others", headers(b"\x82\x86\0\x01a\x01b\x84"), &[PROTOCOL]),
        ("8.3.1 no :path", headers(b"\x82\x86"), &[PROTOCOL]),
        ("8.3.1 no :method", headers(b"\x86\x84"), &[PROTOCOL]),
        ("8.3.1 an empty :path", headers(b"\x82\x86\x04\0"), &[PROTOCOL]),
    ]
}

fn content_length(number: &str, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(number.len()).unwrap();
    let field = [b"\0\x0econtent-length", &[length][..], number.as_bytes()].concat();
    [frame(HEADERS, END_HEADERS, 1, &[PUT, &field].concat()), frame(DATA, END_STREAM, 1, body)].concat()
}

#[test]
fn who_breaks_the_rules_is_told_which() {
    let served = served();
    let mut wrong = Vec::new();
    for (what, bytes, codes) in broken() {
        let mut client = H2::greet(served.address());
        client.say([bytes, get(99)].concat());
        let outcome = client.outcome(99);
        let is_right = match &outcome {
            // hyper says so too where the standard has a word of its own.
            Outcome::Gone(code) => code.is_none_or(|code| code == PROTOCOL || codes.contains(&code)),
            Outcome::Reset(code) => codes.contains(code),
            // A request that is none may be answered as such (section 8.1.1).
            Outcome::Answered => what.starts_with('8'),
            Outcome::Good => false,
        };
        if !is_right {
            wrong.push(format!("{what}: {outcome:?}, not {codes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    reads(served.address());
}

#[test]
fn what_is_allowed_is_taken() {
    let served = served();
    for (what, bytes) in [
        ("5.5 an unknown frame", frame(0x42, 0xff, 0, b"anything")),
        ("5.5 an unknown setting", frame(SETTINGS, 0, 0, &setting(0xff, 1))),
        ("6.7 a ping", frame(PING, 0, 0, b"12345678")),
        ("6.3 a priority of an idle stream", frame(PRIORITY, 0, 5, b"\0\0\0\0\x10")),
        ("6.2 padded headers with a priority", {
            let block = [b"\x05\0\0\0\0\x10", GET, &[0; 5]].concat();
            frame(HEADERS, END_HEADERS | END_STREAM | PADDED | 0x20, 1, &block)
        }),
        ("6.10 headers in three frames", {
            let (first, last) = GET.split_at(3);
            let parts = [(HEADERS, END_STREAM, first), (CONTINUATION, 0, &b""[..]), (CONTINUATION, END_HEADERS, last)];
            parts.map(|(kind, flags, part)| frame(kind, flags, 1, part)).concat()
        }),
        ("8.2.2 te: trailers", get_with(&[("te", "trailers")])),
    ] {
        let mut client = H2::greet(served.address());
        client.say([bytes, get(99)].concat());
        assert_eq!(client.outcome(99), Outcome::Good, "{what}");
    }
    let mut client = H2::greet(served.address());
    client.say(frame(PING, 0, 0, b"12345678"));
    let pong = std::iter::from_fn(|| client.hear()).find(|(kind, ..)| *kind == PING).unwrap();
    assert_eq!(pong, (PING, ACK, 0, b"12345678".to_vec()));
}

#[test]
fn what_does_not_begin_as_h2_is_not_h2() {
    let served = served();
    for beginning in
        [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n"]
    {
        let mut client = H2::connect(served.address());
        client.say(beginning);
        let mut heard = Vec::new();
        let _ = client.0.read_to_end(&mut heard);
        assert!(heard.len() < 1000, "{}", heard.escape_ascii());
    }
    reads(served.address());
}

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
    let asked = Instant::now();
    reads(address);
    assert!(asked.elapsed() < Duration::from_secs(2), "a good client waited {:?}", asked.elapsed());
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

    let held = || {
        let (_, metrics) = served.ketch.look("/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix("ketch_buffered_bytes ")).unwrap();
        line.parse::<f64>().unwrap()
    };
    wait_for("the answers to be held", || (held() > 3_000_000.0).then_some(()));
    let ends = |what: &str, limit: u64, alive: &mut dyn FnMut() -> bool| {
        while alive() {
            assert!(begin.elapsed() < Duration::from_secs(limit), "{what} is still there");
            std::thread::sleep(Duration::from_millis(500));
        }
        assert!(begin.elapsed() > Duration::from_secs(9), "{what} was closed too soon");
    };
    ends("who ends no headers", 20, &mut || slow.say(b"\0"));
    ends("who opens no window", 60, &mut || shut.say(frame(PING, 0, 0, &[0; 8])));
    let left = || held() < 1_000_000.0;
    ends("what is held for who reads nothing", 60, &mut || !left());
    drop((deaf, deaf_too));
    let mut browser = served.browser();
    assert_eq!(browser.get("/v1/keys/k").body, large);
}
