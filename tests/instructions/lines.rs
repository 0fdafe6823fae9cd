//! The nodes as ketch sees them: addresses of this program, behind which one memcached answers.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::rig::take;
use crate::support::PATIENCE;

const NODES: usize = 4;
/// memcached's answer to `mn`: all that was asked before is answered.
const BARRIER: &[u8] = b"MN\r\n";

/// Listening addresses and the connections that came to them.
pub struct Lines {
    memcached: u16,
    doors: Vec<TcpListener>,
    lines: Vec<Line>,
}

/// A connection of ketch's, and the one that answers it.
struct Line {
    ketch: TcpStream,
    memcached: TcpStream,
    answer: Vec<u8>,
}

impl Lines {
    /// Nodes that are all the memcached on `port`.
    pub fn to(port: u16) -> Self {
        let door = || {
            let door = TcpListener::bind("127.0.0.1:0").unwrap();
            door.set_nonblocking(true).unwrap();
            door
        };
        Self { memcached: port, doors: (0..NODES).map(|_| door()).collect(), lines: Vec::new() }
    }

    /// As a configuration names them: by names, so that keys have the same owners in every run.
    pub fn nodes(&self) -> Vec<String> {
        let named = |(number, door): (usize, &TcpListener)| format!("{} node-{number}", door.local_addr().unwrap());
        self.doors.iter().enumerate().map(named).map(|node| node.replace(" ", ":1 ")).collect()
    }

    /// Takes what ketch has asked and has memcached answer it; whether there was anything.
    pub fn ask(&mut self) -> bool {
        self.accept();
        let mut any = false;
        for line in &mut self.lines {
            any |= line.ask();
        }
        any
    }

    /// Gives ketch the answers.
    pub fn answer(&mut self) {
        for line in &mut self.lines {
            line.ketch.write_all(&std::mem::take(&mut line.answer)).unwrap();
        }
    }

    fn accept(&mut self) {
        for door in &self.doors {
            while let Ok((ketch, _)) = door.accept() {
                ketch.set_nonblocking(true).unwrap();
                ketch.set_nodelay(true).unwrap();
                let memcached = TcpStream::connect(("127.0.0.1", self.memcached)).unwrap();
                memcached.set_nodelay(true).unwrap();
                memcached.set_read_timeout(Some(PATIENCE)).unwrap();
                self.lines.push(Line { ketch, memcached, answer: Vec::new() });
            }
        }
    }
}

impl Line {
    fn ask(&mut self) -> bool {
        let mut asked = Vec::new();
        take(&mut self.ketch, &mut asked);
        if asked.is_empty() {
            return false;
        }
        asked.extend_from_slice(b"mn\r\n");
        self.memcached.write_all(&asked).unwrap();
        let mut chunk = [0; 16384];
        while !self.answer.ends_with(BARRIER) {
            let count = self.memcached.read(&mut chunk).unwrap();
            assert!(count > 0, "memcached closed the connection after {}", asked.escape_ascii());
            self.answer.extend_from_slice(&chunk[..count]);
        }
        self.answer.truncate(self.answer.len() - BARRIER.len());
        true
    }
}
