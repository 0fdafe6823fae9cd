//! One connection of the load generator.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use crate::script::{Owed, Script};
use crate::subject::Address;

/// How `SERVER_ERROR` begins, and no answer that is right. It does not come in single bytes.
const REFUSAL: &[u8] = b"SE";

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection with its requests under way.
pub struct Connection {
    stream: Stream,
    out: Vec<u8>,
    sent: usize,
    owed: VecDeque<(Owed, Option<Instant>)>,
    /// Bytes of the first owed answer that have come.
    at: usize,
    /// What has come of the line that refuses the first owed request, if it is one.
    refusal: Vec<u8>,
}

/// What was heard besides answers as they should be.
#[derive(Default)]
pub struct Tally {
    /// How long the timed answers took.
    pub times: Vec<Duration>,
    /// Requests that were answered with `SERVER_ERROR`, by its words.
    pub refusals: BTreeMap<String, u64>,
}

impl Connection {
    /// Connects; waits until the peer has it in its queue.
    ///
    /// # Errors
    ///
    /// When nobody listens.
    pub fn open(address: &Address, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let interests = Interest::READABLE | Interest::WRITABLE;
        let mut stream = Stream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        match &mut stream {
            Stream::Tcp(stream) => registry.register(stream, token, interests)?,
            Stream::Unix(stream) => registry.register(stream, token, interests)?,
        }
        Ok(Self { stream, out: Vec::new(), sent: 0, owed: VecDeque::new(), at: 0, refusal: Vec::new() })
    }

    /// Answers that are still to come.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Puts one more request into the buffer; `at` when its answer is to be timed.
    pub fn ask(&mut self, script: &mut Script, key: usize, dice: usize, at: Option<Instant>) {
        let owed = script.say(key, dice, &mut self.out);
        self.owed.push_back((owed, at));
    }

    /// Sends what is buffered, or as much as the peer takes.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads and checks all that has come; gives the answers completed, without those that were refusals.
    ///
    /// A read that does not fill `scratch` emptied the socket, so no second one asks.
    ///
    /// # Errors
    ///
    /// A wrong answer, an answer nobody asked for, or the end of the connection.
    pub fn hear(&mut self, script: &mut Script, scratch: &mut [u8], tally: &mut Tally) -> anyhow::Result<usize> {
        let mut answers = 0;
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => bail!("the connection was closed with {} answers owed", self.owed.len()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answers),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot receive"),
            };
            answers += self.take(script, &scratch[..count], tally)?;
            if count < scratch.len() {
                return Ok(answers);
            }
        }
    }

    fn take(&mut self, script: &mut Script, mut heard: &[u8], tally: &mut Tally) -> anyhow::Result<usize> {
        let mut answers = 0;
        while !heard.is_empty() {
            let Some((owed, asked)) = self.owed.front() else {
                bail!("an answer that nobody asked for: {}", heard.escape_ascii());
            };
            if self.at == 0 && (!self.refusal.is_empty() || heard.starts_with(REFUSAL)) {
                heard = self.take_refusal(heard, tally)?;
                continue;
            }
            let (used, done) = script.check(owed, self.at, heard)?;
            heard = &heard[used..];
            self.at += used;
            if !done {
                continue;
            }
            tally.times.extend(asked.map(|asked| asked.elapsed()));
            self.owed.pop_front();
            self.at = 0;
            answers += 1;
        }
        Ok(answers)
    }

    /// Takes a line that refuses the first owed request; gives what comes after.
    fn take_refusal<'a>(&mut self, heard: &'a [u8], tally: &mut Tally) -> anyhow::Result<&'a [u8]> {
        let end = heard.iter().position(|byte| *byte == b'\n').map_or(heard.len(), |end| end + 1);
        self.refusal.extend_from_slice(&heard[..end]);
        if self.refusal.ends_with(b"\n") {
            let words = String::from_utf8_lossy(&self.refusal).trim().to_owned();
            ensure!(words.starts_with("SERVER_ERROR "), "a wrong answer: {words}");
            *tally.refusals.entry(words).or_default() += 1;
            self.refusal.clear();
            self.owed.pop_front();
        }
        Ok(&heard[end..])
    }
}

impl Stream {
    fn connect(address: &Address) -> std::io::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let stream = std::net::TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpStream::from_std(stream)))
            }
            Address::Unix(path) => {
                let stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Unix(UnixStream::from_std(stream)))
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }
}
