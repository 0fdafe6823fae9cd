//! What is spoken on a node's connections: memcached's text protocol, or RESP.
//!
//! A connection pipelines, keeps time and connects anew without knowing which; here are the three things that
//! differ: how a request is written, how its reply is read, and what is said first.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::config::Password;
use crate::model::{Reply, Request};
use crate::net::Stream;
use crate::wire::resp::{self, Dictation, Element, Elements, Script, encode_command};
use crate::wire::{Garbage, Outbox, ReplyDecoder, encode_request};

/// The longest string that a server may say to a greeting, in bytes.
const GREETING: usize = 64 * 1024;

/// What a node speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// memcached's text protocol, classic and meta.
    Memcached,
    /// RESP 2.
    Redis(std::sync::Arc<Login>),
}

/// Who ketch is to a Redis server, and what it may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Empty for the default user.
    pub user: String,
    /// Looked up for each connection, so that a new one needs no restart.
    pub password: Password,
    /// The number of the database.
    pub database: u32,
    /// Whether `flush_all` may reach `FLUSHDB`.
    pub flush: bool,
}

/// Why a connection did not come to be.
#[derive(Debug)]
pub(super) enum Unwelcome {
    /// There is none, or it broke.
    Failed(io::Error),
    /// The server does not let ketch in; its words, or what is wrong with the password.
    Denied(Bytes),
}

impl Dialect {
    /// The line for a client that asks what this node is never asked; `None` for all else.
    #[inline]
    #[must_use]
    pub fn refusal(&self, request: &Request, pool: &str) -> Option<Bytes> {
        let Self::Redis(login) = self else { return None };
        if !resp::is_supported(request) {
            return Some(Bytes::from_static(b"CLIENT_ERROR unsupported on a redis pool"));
        }
        let refused = matches!(request, Request::FlushAll { .. }) && !login.flush;
        refused.then(|| format!("SERVER_ERROR flush_all is disabled for pool {pool}").into())
    }

    /// Whether the node never asks for what it has heard to be said once more, as Redis does that has forgotten a script.
    pub(super) fn hears_once(&self) -> bool {
        *self == Self::Memcached
    }

    /// Whether a flush reaches the node at all.
    #[must_use]
    pub fn may_flush(&self) -> bool {
        match self {
            Self::Memcached => true,
            Self::Redis(login) => login.flush,
        }
    }

    /// Writes a request; with `whole`, its script in full.
    #[inline]
    pub(super) fn encode(&self, request: &Request, value_size: usize, whole: bool, out: &mut Outbox) {
        match self {
            Self::Memcached => encode_request(request, out),
            Self::Redis(_) => resp::encode_request(request, Dictation { value_size, whole }, out),
        }
    }

    /// A decoder at the start of a connection.
    pub(super) fn decoder(&self, value_size: usize) -> Decoder {
        match self {
            Self::Memcached => Decoder::Memcached(ReplyDecoder::new(value_size)),
            Self::Redis(_) => Decoder::Redis(resp::ReplyDecoder::new(value_size)),
        }
    }

    /// Says what is said first on a connection, and hears that it was taken. Not cancel safe: the connection is to
    /// be dropped then.
    pub(super) async fn greet(&self, stream: &mut Stream) -> Result<(), Unwelcome> {
        let Self::Redis(login) = self else { return Ok(()) };
        let mut out = Outbox::new();
        let demands = login.introduce(&mut out)?;
        encode_command(&[b"CLIENT", b"SETNAME", b"ketch"], &mut out);
        for script in Script::ALL {
            encode_command(&[b"SCRIPT", b"LOAD", script.body().as_bytes()], &mut out);
        }
        let heard = ask_raw(stream, out, demands + 1 + Script::ALL.len()).await?;
        // What a user may not do beyond that, commands that need it will say.
        match heard.into_iter().take(demands).find_map(error) {
            None => Ok(()),
            Some(line) => Err(Unwelcome::Denied([b"SERVER_ERROR ", &line[..]].concat().into())),
        }
    }
}

impl Login {
    /// What has to succeed, and how many replies it has.
    fn introduce(&self, out: &mut Outbox) -> Result<usize, Unwelcome> {
        let mut demands = 0;
        let password = self.password().map_err(|why| Unwelcome::Denied(format!("SERVER_ERROR {why}").into()))?;
        if !password.is_empty() || !self.user.is_empty() {
            match self.user.as_str() {
                "" => encode_command(&[b"AUTH", password.as_bytes()], out),
                user => encode_command(&[b"AUTH", user.as_bytes(), password.as_bytes()], out),
            }
            demands += 1;
        }
        if self.database != 0 {
            encode_command(&[b"SELECT", self.database.to_string().as_bytes()], out);
            demands += 1;
        }
        Ok(demands)
    }

    pub(super) fn password(&self) -> Result<String, String> {
        match &self.password {
            Password::Text(text) => Ok(text.clone()),
            Password::Env(name) => std::env::var(name).map_err(|_| format!("no password: ${name} is not set")),
            Password::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(text.strip_suffix('\n').map_or(&*text, |text| text.trim_end_matches('\r')).to_owned()),
                Err(error) => Err(format!("no password: {}: {error}", path.display())),
            },
        }
    }
}

/// Says `out` and hears so many elements.
pub(super) async fn ask_raw(stream: &mut Stream, mut out: Outbox, replies: usize) -> io::Result<Vec<Element>> {
    let bytes = out.copy_to_bytes(out.remaining());
    stream.write_all(&bytes).await?;
    let (mut elements, mut buffer, mut heard) = (Elements::new(GREETING), BytesMut::new(), Vec::new());
    while heard.len() < replies {
        let mut read = 0;
        let next = elements.next(&mut buffer, &mut read);
        buffer.advance(read);
        match next.map_err(|garbage| io::Error::new(io::ErrorKind::InvalidData, garbage))? {
            Some(element) => heard.push(element),
            None if stream.read_buf(&mut buffer).await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
    Ok(heard)
}

fn error(element: Element) -> Option<Bytes> {
    match element {
        Element::Error(line) => Some(line),
        _ => None,
    }
}

impl From<io::Error> for Unwelcome {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Reads the replies of one connection.
#[derive(Debug)]
pub(super) enum Decoder {
    Memcached(ReplyDecoder),
    Redis(resp::ReplyDecoder),
}

impl Decoder {
    /// The reply to `asked`, the oldest unanswered request, once it is whole; what is understood is taken off `buffer`.
    pub(super) fn decode(&mut self, asked: &Request, buffer: &mut BytesMut) -> Result<Option<Reply>, Garbage> {
        let mut read = 0;
        let reply = self.decode_behind(&mut read, asked, buffer);
        buffer.advance(read);
        reply
    }

    /// The same behind the first `read` bytes of `buffer`, to which it adds what it has understood.
    #[inline]
    pub(super) fn decode_behind(
        &mut self,
        read: &mut usize,
        asked: &Request,
        buffer: &mut BytesMut,
    ) -> Result<Option<Reply>, Garbage> {
        match self {
            Self::Memcached(decoder) => decoder.decode_behind(read, asked, buffer),
            Self::Redis(decoder) => decoder.decode_behind(read, asked, buffer),
        }
    }

    /// How many bytes of a value are known to be missing.
    #[inline]
    pub(super) fn wanted(&self) -> usize {
        match self {
            Self::Memcached(decoder) => decoder.wanted(),
            Self::Redis(decoder) => decoder.wanted(),
        }
    }

    /// The bytes of the values that an unfinished read has come to.
    #[inline]
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Memcached(decoder) => decoder.held(),
            Self::Redis(decoder) => decoder.held(),
        }
    }

    /// Has the unfinished read fail for want of memory.
    pub(super) fn give_up(&mut self) {
        match self {
            Self::Memcached(decoder) => decoder.give_up(),
            Self::Redis(decoder) => decoder.give_up(),
        }
    }

    /// Whether the last reply only says that the request's script is to be sent whole.
    #[inline]
    pub(super) fn lacks_script(&self) -> bool {
        match self {
            Self::Memcached(_) => false,
            Self::Redis(decoder) => decoder.lacks_script(),
        }
    }
}
