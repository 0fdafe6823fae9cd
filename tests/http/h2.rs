//! An h2c client that says what it is told to, and shows every frame.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Served;
use crate::support::PATIENCE;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

pub const PROTOCOL: u32 = 1;
pub const FLOW: u32 = 3;
pub const CLOSED: u32 = 5;
pub const SIZE: u32 = 6;
pub const REFUSED: u32 = 7;
pub const COMPRESSION: u32 = 9;
pub const CALM: u32 = 11;

/// `GET /v1/keys/k` without an authority: `:method`, `:scheme`, `:path`.
pub const GET: &[u8] = b"\x82\x86\x04\x0a/v1/keys/k";
pub const PUT: &[u8] = b"\x02\x03PUT\x86\x04\x0a/v1/keys/k";
/// How an answer of 200 begins.
pub const OK: u8 = 0x88;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, GET)
}

/// Headers of a GET with more fields behind it, each a name and a value that are not indexed.
pub fn get_with(fields: &[(&str, &str)]) -> Vec<u8> {
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

pub fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// What the server made of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `GOAWAY` with this code, or the connection closed without a word.
    Gone(Option<u32>),
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// An answer of another status than 200.
    Answered,
    /// The request that was asked behind it was answered: it was taken as good.
    Good,
}

pub struct H2(pub TcpStream);

impl H2 {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub fn greet(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.say([PREFACE, &frame(SETTINGS, 0, 0, b"")].concat());
        client
    }

    /// Whether it could be said: a server may have gone in the middle of it.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.0.write_all(bytes.as_ref()).is_ok()
    }

    /// Kind, flags, stream and payload of the next frame; `None` at the end.
    pub fn hear(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
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

    /// What the server grants for one body, and for all of the connection together.
    pub fn window(&mut self) -> (usize, usize) {
        const USUAL: usize = 65_535;
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap()) as usize;
        let mut each = USUAL;
        loop {
            match self.hear().expect("the server goes") {
                (SETTINGS, 0, _, payload) => {
                    let given = payload.chunks(6).find(|setting| setting[..2] == [0, 4]);
                    each = given.map_or(USUAL, |setting| number(&setting[2..]));
                    self.say(frame(SETTINGS, ACK, 0, b"")); // it is in force from here on
                }
                (WINDOW_UPDATE, _, 0, payload) => return (each, USUAL + number(&payload)),
                _ => {}
            }
        }
    }

    /// What becomes of what was said; `probe` is the stream of a good request behind it.
    pub fn outcome(&mut self, probe: u32) -> Outcome {
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
pub fn served() -> Served {
    let served = Served::configured("pools: { main: { protocol: embedded, nodes: [a] } }\nroutes: [{ pool: main }]\n");
    assert_eq!(served.browser().put("/v1/keys/k", "value").status, 204);
    served
}

/// A client that breaks no rule reads the item.
pub fn reads(address: SocketAddr) {
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
