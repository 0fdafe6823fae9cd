//! What ketch itself asks of a node, beside the data path: probes, and amends before it is let in again.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memcache_async::ascii::Protocol;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::health::Reason;
use super::node::{Node, Place};
use crate::model::{Reply, Request};
use crate::net::Stream;
use crate::wire::{Outbox, ReplyDecoder, encode_request};

/// The longest line of statistics, in bytes; a node that says more is not one.
const LINE: u64 = 4096;

/// How many requests are under way at once.
const BATCH: usize = 512;

/// A connection of its own to a node, with a time limit for each step; closed when dropped.
pub struct Errand {
    stream: BufReader<Stream>,
    limit: Duration,
    decoder: ReplyDecoder,
}

/// Asks a node for its version, on a connection of its own that is thrown away.
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
        Protocol::new(stream).version().await.map_err(|error| (reason(&error), error))
    };
    timeout(limit, asked).await.map_err(late)?.map(|_| ())
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::Other => Reason::Garbage,
        _ => Reason::Closed,
    }
}

impl Errand {
    /// Connects, within the node's `connect_timeout`.
    ///
    /// # Errors
    /// When there is no connection in time, or the node is inside this process.
    pub async fn to(node: &Node) -> io::Result<Self> {
        let Place::Remote(endpoint) = &node.place else { return Err(io::ErrorKind::Unsupported.into()) };
        let stream = within(node.settings().connect_timeout, Stream::connect(endpoint)).await?;
        let decoder = ReplyDecoder::new(node.settings().value_size);
        Ok(Self { stream: BufReader::new(stream), limit: node.settings().request_timeout, decoder })
    }

    /// Asks one thing after another, many under way at once; the answers in order.
    ///
    /// # Errors
    /// When an answer is late, or no answer.
    pub async fn ask(&mut self, requests: &[Request]) -> io::Result<Vec<Reply>> {
        let mut replies = Vec::with_capacity(requests.len());
        let mut buffer = BytesMut::new();
        for batch in requests.chunks(BATCH) {
            let mut out = Outbox::new();
            batch.iter().for_each(|request| encode_request(request, &mut out));
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

    /// For how long the node's process has run, by its `stats`.
    ///
    /// # Errors
    /// When it does not say so in time.
    pub async fn uptime(&mut self) -> io::Result<Duration> {
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
