//! What ketch itself asks of a node, beside the data path: probes, and amends before it is let in again.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memcache_async::ascii::Protocol;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::dialect::{Decoder, Dialect, Unwelcome, ask_raw};
use super::history::Reason;
use super::node::{Node, Place};
use crate::model::{Reply, Request};
use crate::net::Stream;
use crate::wire::Outbox;
use crate::wire::resp::{Element, encode_command};

/// The longest line of statistics, in bytes; a node that says more is not one.
const LINE: u64 = 4096;

/// How many requests are under way at once.
const BATCH: usize = 512;

/// A connection of its own to a node, with a time limit for each step; closed when dropped.
pub struct Errand<'a> {
    node: &'a Node,
    stream: BufReader<Stream>,
    limit: Duration,
    decoder: Decoder,
}

/// Asks a node for a sign of life, on a connection of its own that is thrown away.
///
/// Cancel safe. A node inside this process is always well.
///
/// # Errors
/// What the node did wrong, and the words for it.
pub async fn probe(node: &Node) -> Result<(), (Reason, io::Error)> {
    let Place::Remote(endpoint) = &node.place else { return Ok(()) };
    let limit = node.settings().probe_timeout;
    let late = |_| (Reason::Timeout, io::ErrorKind::TimedOut.into());
    let asked = async {
        let stream = Stream::connect(endpoint).await.map_err(|error| (Reason::Unreachable, error))?;
        match &node.dialect {
            Dialect::Memcached => {
                Protocol::new(stream).version().await.map_err(|error| (reason(&error), error)).map(|_| ())
            }
            dialect => ping(stream, dialect).await,
        }
    };
    timeout(limit, asked).await.map_err(late)?
}

/// A server that does not let ketch in lives: clients are to hear why, not to be sent elsewhere.
async fn ping(mut stream: Stream, dialect: &Dialect) -> Result<(), (Reason, io::Error)> {
    match dialect.greet(&mut stream).await {
        Ok(()) => {}
        Err(Unwelcome::Denied(_)) => return Ok(()),
        Err(Unwelcome::Failed(error)) => return Err((reason(&error), error)),
    }
    let heard = ask_one(&mut stream, &[b"PING"]).await.map_err(|error| (reason(&error), error))?;
    match heard {
        Element::Status(_) => Ok(()),
        Element::Error(line) if line.starts_with(b"NOAUTH") || line.starts_with(b"NOPERM") => Ok(()),
        Element::Error(line) => Err((Reason::Refused, io::Error::other(String::from_utf8_lossy(&line).into_owned()))),
        _ => Err((Reason::Garbage, io::ErrorKind::InvalidData.into())),
    }
}

async fn ask_one(stream: &mut Stream, words: &[&[u8]]) -> io::Result<Element> {
    let mut out = Outbox::new();
    encode_command(words, &mut out);
    ask_raw(stream, out, 1).await?.pop().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::Other => Reason::Garbage,
        _ => Reason::Closed,
    }
}

impl<'a> Errand<'a> {
    /// Connects, within the node's `connect_timeout`.
    ///
    /// # Errors
    /// When there is no connection in time, or the node is inside this process.
    pub async fn to(node: &'a Node) -> io::Result<Self> {
        let Place::Remote(endpoint) = &node.place else { return Err(io::ErrorKind::Unsupported.into()) };
        let settings = node.settings();
        let reach = async {
            let mut stream = Stream::connect(endpoint).await?;
            node.dialect.greet(&mut stream).await.map_err(|why| match why {
                Unwelcome::Failed(error) => error,
                Unwelcome::Denied(line) => io::Error::other(String::from_utf8_lossy(&line).into_owned()),
            })?;
            Ok(BufReader::new(stream))
        };
        let stream = within(settings.connect_timeout, reach).await?;
        let decoder = node.dialect.decoder(settings.value_size);
        Ok(Self { node, stream, limit: settings.request_timeout, decoder })
    }

    /// Asks one thing after another, many under way at once; the answers in order.
    ///
    /// # Errors
    /// When an answer is late, or no answer; when the node is never asked such a thing.
    pub async fn ask(&mut self, requests: &[Request]) -> io::Result<Vec<Reply>> {
        let Node { dialect, pool, .. } = self.node;
        let value_size = self.node.settings().value_size;
        if let Some(line) = requests.iter().find_map(|request| dialect.refusal(request, pool)) {
            return Err(io::Error::other(String::from_utf8_lossy(&line).into_owned()));
        }
        let mut replies = Vec::with_capacity(requests.len());
        let mut buffer = BytesMut::new();
        for batch in requests.chunks(BATCH) {
            let mut out = Outbox::new();
            let encode = |request| dialect.encode(request, value_size, false, &mut out);
            batch.iter().for_each(encode);
            let bytes = out.copy_to_bytes(out.remaining());
            within(self.limit, self.stream.write_all(&bytes)).await?;
            for request in batch {
                replies.push(self.reply(request, &mut buffer).await?);
            }
        }
        Ok(replies)
    }

    async fn reply(&mut self, request: &Request, buffer: &mut BytesMut) -> io::Result<Reply> {
        loop {
            let decoded = self.decoder.decode(request, buffer);
            if let Some(reply) = decoded.map_err(|garbage| io::Error::new(io::ErrorKind::InvalidData, garbage.0))? {
                return Ok(reply);
            }
            if within(self.limit, self.stream.read_buf(buffer)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether the node, which is out for so long, has nothing from before.
    ///
    /// A memcached that was started since has not. A Redis may have read what it had from its disk: it has nothing
    /// only if its database is empty.
    ///
    /// # Errors
    /// When it does not say so in time.
    pub async fn is_empty(&mut self, out: Duration) -> io::Result<bool> {
        match self.node.dialect {
            // memcached counts whole seconds; one more is for the rounding.
            Dialect::Memcached => Ok(self.uptime().await?.as_secs() + 1 < out.as_secs()),
            Dialect::Redis(_) => {
                let size = within(self.limit, ask_one(self.stream.get_mut(), &[b"DBSIZE"])).await?;
                Ok(size == Element::Integer(0))
            }
        }
    }

    /// For how long the node's process has run, by its `stats`.
    async fn uptime(&mut self) -> io::Result<Duration> {
        within(self.limit, self.stream.write_all(b"stats\r\n")).await?;
        let mut uptime = None;
        loop {
            let mut line = String::new();
            within(self.limit, (&mut self.stream).take(LINE).read_line(&mut line)).await?;
            match line.trim_end().split(' ').collect::<Vec<_>>()[..] {
                ["STAT", "uptime", seconds] => uptime = seconds.parse().ok(),
                ["STAT", ..] => {}
                _ => return uptime.map(Duration::from_secs).ok_or_else(|| io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, step).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
