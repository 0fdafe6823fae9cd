//! The load generator: one thread, one epoll, many connections, every answer checked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use mio::{Events, Poll, Token};

use crate::connection::{Connection, Tally};
use crate::script::Script;
use crate::subject::Address;

/// How long nothing may come while answers are owed.
const STALL: Duration = Duration::from_secs(10);
/// What one read takes at most.
const SCRATCH: usize = 256 * 1024;

/// Which key is next.
enum Keys {
    Random,
    /// Each once, from here on.
    InTurn(usize),
    NoMore,
}

/// A load on one program.
pub struct Load {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    script: Script,
    depth: usize,
    keys: Keys,
    random: fastrand::Rng,
    scratch: Vec<u8>,
    answers: u64,
    tally: Tally,
    heard_at: Instant,
}

impl Load {
    /// Opens `width` connections that keep `depth` requests of `script` under way each, once run.
    ///
    /// # Errors
    ///
    /// When a connection cannot be opened.
    pub fn open(address: &Address, script: Script, width: usize, depth: usize) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let connections = (0..width)
            .map(|index| Connection::open(address, poll.registry(), Token(index)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            poll,
            events: Events::with_capacity(width.max(64)),
            connections,
            script,
            depth,
            keys: Keys::Random,
            random: fastrand::Rng::with_seed(42),
            scratch: vec![0; SCRATCH],
            answers: 0,
            tally: Tally::default(),
            heard_at: Instant::now(),
        })
    }

    /// Stores every key of `script` once.
    ///
    /// # Errors
    ///
    /// When an answer is not `STORED`.
    pub fn store(address: &Address, script: &Script) -> anyhow::Result<()> {
        let mut load = Self::open(address, script.storing(), 8, 8)?;
        load.keys = Keys::InTurn(0);
        load.heard_at = Instant::now();
        load.fill_all()?;
        load.drain().context("while storing the keys")?;
        ensure!(load.tally.refusals.is_empty(), "refused while storing the keys: {:?}", load.tally.refusals);
        Ok(())
    }

    /// The requests refused with `SERVER_ERROR` since this was last asked, by its words.
    pub fn refusals(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.tally.refusals)
    }

    /// Runs for `time`; gives the operations answered within it. What is under way stays so.
    ///
    /// # Errors
    ///
    /// A wrong answer, a closed connection, or ten seconds of silence.
    pub fn run(&mut self, time: Duration) -> anyhow::Result<u64> {
        let before = self.answers;
        self.keys = Keys::Random;
        let end = Instant::now() + time;
        self.heard_at = Instant::now();
        self.fill_all()?;
        while Instant::now() < end {
            self.turn(Duration::from_millis(100))?;
        }
        Ok((self.answers - before) * self.script.operations())
    }

    /// Has every connection say its requests, and does not wait for answers.
    ///
    /// # Errors
    ///
    /// When a connection broke.
    pub fn ask(&mut self) -> anyhow::Result<()> {
        self.keys = Keys::Random;
        self.heard_at = Instant::now();
        self.fill_all()
    }

    /// Reads what has come, and asks for nothing; gives the answers that are still owed.
    ///
    /// # Errors
    ///
    /// As [`Load::run`].
    pub fn hear(&mut self) -> anyhow::Result<usize> {
        self.keys = Keys::NoMore;
        loop {
            self.turn(Duration::ZERO)?;
            if self.events.is_empty() {
                return Ok(self.connections.iter().map(Connection::owed).sum());
            }
        }
    }

    /// Operations of one request.
    pub fn operations(&self) -> u64 {
        self.script.operations()
    }

    /// Asks for nothing new, and waits for the answers that are owed; gives the operations that these were.
    ///
    /// # Errors
    ///
    /// As [`Load::run`].
    pub fn drain(&mut self) -> anyhow::Result<u64> {
        let before = self.answers;
        if !matches!(self.keys, Keys::InTurn(_)) {
            self.keys = Keys::NoMore;
        }
        while self.connections.iter().any(|connection| connection.owed() > 0) {
            self.turn(Duration::from_millis(100))?;
        }
        Ok((self.answers - before) * self.script.operations())
    }

    /// Sends one request on each connection in turn, one every `gap`, for `time`, whatever was answered; gives how long
    /// each answer took.
    ///
    /// # Errors
    ///
    /// As [`Load::run`].
    pub fn run_by_the_clock(&mut self, gap: Duration, time: Duration) -> anyhow::Result<Vec<Duration>> {
        self.depth = 0;
        self.heard_at = Instant::now();
        let end = Instant::now() + time;
        let mut due = Instant::now();
        let mut next = 0;
        while due < end {
            let now = Instant::now();
            if now < due {
                self.turn(Duration::ZERO)?;
                // The servers may share this core: they must not wait for the end of a time slice.
                std::thread::yield_now();
                continue;
            }
            next = (next + 1) % self.connections.len();
            let key = self.random.usize(..self.script.keys());
            let connection = &mut self.connections[next];
            connection.ask(&mut self.script, key, self.random.usize(..100), Some(now));
            connection.flush()?;
            due += gap;
        }
        self.drain()?;
        Ok(std::mem::take(&mut self.tally.times))
    }

    fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let result = events.iter().try_for_each(|event| self.serve(event.token().0, event.is_readable()));
        let quiet = events.is_empty();
        self.events = events;
        result?;
        if quiet {
            return self.ensure_not_stalled();
        }
        self.heard_at = Instant::now();
        Ok(())
    }

    fn serve(&mut self, index: usize, readable: bool) -> anyhow::Result<()> {
        if readable {
            let connection = &mut self.connections[index];
            self.answers += connection.hear(&mut self.script, &mut self.scratch, &mut self.tally)? as u64;
        }
        self.fill(index)
    }

    fn ensure_not_stalled(&self) -> anyhow::Result<()> {
        let owed: usize = self.connections.iter().map(Connection::owed).sum();
        ensure!(owed == 0 || self.heard_at.elapsed() < STALL, "{owed} answers are owed, and none came for {STALL:?}");
        Ok(())
    }

    fn fill_all(&mut self) -> anyhow::Result<()> {
        (0..self.connections.len()).try_for_each(|index| self.fill(index))
    }

    /// Brings a connection up to its depth and sends.
    fn fill(&mut self, index: usize) -> anyhow::Result<()> {
        while self.connections[index].owed() < self.depth {
            let Some(key) = self.next_key() else { break };
            let dice = self.random.usize(..100);
            self.connections[index].ask(&mut self.script, key, dice, None);
        }
        self.connections[index].flush()
    }

    fn next_key(&mut self) -> Option<usize> {
        match &mut self.keys {
            Keys::Random => Some(self.random.usize(..self.script.keys())),
            Keys::InTurn(next) if *next < self.script.keys() => {
                *next += 1;
                Some(*next - 1)
            }
            Keys::InTurn(_) | Keys::NoMore => None,
        }
    }
}
