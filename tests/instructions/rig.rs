//! One run: ketch under callgrind, given a round's work whenever its worker sleeps.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::callgrind::{Counted, PATIENCE};
use crate::lines::Lines;
use crate::rows::{self, CLIENTS, Row};
use crate::support::{Client, Memcached};

/// Between two looks at what ketch does.
const LOOK: Duration = Duration::from_micros(100);

/// A run under way.
struct Rig {
    ketch: Counted,
    lines: Lines,
    clients: Vec<TcpStream>,
}

/// Runs so many rounds; gives the instructions of the worker, from its start to its end. `keep` leaves callgrind's files.
pub fn run(row: &Row, rounds: usize, program: &Path, keep: bool) -> u64 {
    let memcached = Memcached::start();
    rows::store(&mut Client::connect(([127, 0, 0, 1], memcached.port).into()));
    let lines = Lines::to(memcached.port);
    let ketch = Counted::start(program, &lines.nodes());
    let clients = (0..CLIENTS).map(|_| connect(&ketch)).collect();
    let mut rig = Rig { ketch, lines, clients };
    for round in 0..rounds {
        rig.round(row, round);
    }
    drop(rig.clients);
    rig.ketch.end(keep)
}

impl Rig {
    fn round(&mut self, row: &Row, round: usize) {
        let exchanges: Vec<_> = (0..CLIENTS).map(|client| row.exchange(round, client)).collect();
        self.ketch.rest();
        self.ketch.halt();
        for (client, (said, _)) in self.clients.iter_mut().zip(&exchanges) {
            client.write_all(said).unwrap();
        }
        self.ketch.go_on();
        let mut heard = vec![Vec::new(); CLIENTS];
        let end = Instant::now() + PATIENCE;
        loop {
            self.ketch.rest();
            self.hear(&mut heard);
            if heard.iter().zip(&exchanges).all(|(heard, (_, owed))| heard.len() >= owed.len()) {
                break;
            }
            assert!(Instant::now() < end, "no answer to {}, round {round}", row.name);
            if !self.lines.ask() {
                std::thread::sleep(LOOK);
                continue;
            }
            self.ketch.halt();
            self.lines.answer();
            self.ketch.go_on();
        }
        for (heard, (_, owed)) in heard.iter().zip(&exchanges) {
            assert_eq!(
                heard.escape_ascii().to_string(),
                owed.escape_ascii().to_string(),
                "{}, round {round}",
                row.name
            );
        }
    }

    fn hear(&mut self, heard: &mut [Vec<u8>]) {
        for (client, heard) in self.clients.iter_mut().zip(heard) {
            take(client, heard);
        }
    }
}

fn connect(ketch: &Counted) -> TcpStream {
    let client = TcpStream::connect(ketch.address).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}

/// Reads what has come.
pub fn take(stream: &mut TcpStream, into: &mut Vec<u8>) {
    let mut chunk = [0; 16384];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => into.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("cannot read what came: {error}"),
        }
    }
}
