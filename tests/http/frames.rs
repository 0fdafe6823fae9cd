//! h2c frame by frame: what RFC 9113 says to those who break it. The cases are those of h2spec that concern a server, by
//! their sections.

use std::io::Read;

use crate::h2::*;

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
