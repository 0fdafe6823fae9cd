//! The loads: what each client says in a round, and must hear.

use crate::support::Client;

/// Clients, each with a connection.
pub const CLIENTS: usize = 8;
/// Keys, all stored. More than any round asks for, so that no read can join another.
const KEYS: usize = 1000;
const SIZE: usize = 100;

/// One load.
pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    ask: Ask,
    /// Requests of a client in a round.
    depth: usize,
    /// Half of the rounds of the longer run.
    pub rounds: usize,
}

#[derive(Clone, Copy)]
enum Ask {
    Get,
    Set,
    MetaGet,
    /// One `get` of so many keys.
    MultiGet(usize),
}

#[rustfmt::skip]
const ROWS: [Row; 5] = [
    Row { name: "get-8", title: "get, one at a time on each of 8 connections", ask: Ask::Get, depth: 1, rounds: 100 },
    Row { name: "get-8-pipe-8", title: "get, 8 in the pipe of each of 8 connections", ask: Ask::Get, depth: 8, rounds: 25 },
    Row { name: "set-8", title: "set, one at a time on each of 8 connections", ask: Ask::Set, depth: 1, rounds: 100 },
    Row { name: "mg-8", title: "mg, one at a time on each of 8 connections", ask: Ask::MetaGet, depth: 1, rounds: 100 },
    Row { name: "multi-50", title: "get of 50 keys on each of 8 connections, per key", ask: Ask::MultiGet(50), depth: 1, rounds: 25 },
];

/// The rows that `names` name, or all; none when the names are of something else.
pub fn chosen(names: &[String]) -> Vec<&'static Row> {
    let all = names.is_empty() || names.iter().any(|name| name == "instructions");
    ROWS.iter().filter(|row| all || names.iter().any(|name| name == row.name)).collect()
}

impl Row {
    /// Operations of a round: of a multi-get each key is one.
    pub fn operations(&self) -> usize {
        CLIENTS * self.depth * self.ask.keys()
    }

    /// What `client` says in `round`, and what it must hear.
    pub fn exchange(&self, round: usize, client: usize) -> (Vec<u8>, Vec<u8>) {
        let keys = self.ask.keys();
        let (mut said, mut heard) = (String::new(), String::new());
        for request in 0..self.depth {
            let first = ((round * CLIENTS + client) * self.depth + request) * keys;
            self.ask.write(first, &mut said, &mut heard);
        }
        (said.into_bytes(), heard.into_bytes())
    }
}

impl Ask {
    fn keys(self) -> usize {
        if let Self::MultiGet(keys) = self { keys } else { 1 }
    }

    fn write(self, first: usize, said: &mut String, heard: &mut String) {
        let (key, value) = (key(first), value(first));
        match self {
            Self::Set => {
                said.push_str(&set(first));
                heard.push_str("STORED\r\n");
            }
            Self::MetaGet => {
                said.push_str(&format!("mg {key} v\r\n"));
                heard.push_str(&format!("VA {SIZE}\r\n{value}\r\n"));
            }
            Self::Get | Self::MultiGet(_) => {
                said.push_str("get");
                for number in first..first + self.keys() {
                    said.push_str(&format!(" {}", self::key(number)));
                    heard.push_str(&format!("VALUE {} 0 {SIZE}\r\n{}\r\n", self::key(number), self::value(number)));
                }
                said.push_str("\r\n");
                heard.push_str("END\r\n");
            }
        }
    }
}

/// Stores every key.
pub fn store(client: &mut Client) {
    for number in 0..KEYS {
        client.expect(set(number), "STORED\r\n");
    }
}

fn set(number: usize) -> String {
    format!("set {} 0 0 {SIZE}\r\n{}\r\n", key(number), value(number))
}

fn key(number: usize) -> String {
    format!("a-key-of-16-{:04}", number % KEYS)
}

fn value(number: usize) -> String {
    format!("{:0width$}", number % KEYS, width = SIZE)
}
