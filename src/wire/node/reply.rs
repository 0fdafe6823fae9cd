//! What a node answers.

use bytes::{Buf, Bytes, BytesMut};

use crate::model::{Item, Items, MetaReply, MetaStatus, Read, Reply, Request};
use crate::wire::command::SPLIT;
use crate::wire::number;
use crate::wire::word::Words;

/// The longest line of a reply, in bytes; memcached's own are under 1,024.
const MAX_LINE: usize = 4096;

/// What the node said is not an answer to what was asked: the connection has lost step and must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Garbage(pub &'static str);

/// Cuts one node's bytes into [`Reply`]s.
#[derive(Debug)]
pub struct ReplyDecoder {
    value_size: usize,
    /// So many bytes of the line at the front have no line end.
    scanned: usize,
    /// The items of a read that has not ended yet.
    items: Items,
    /// What a value that is not whole yet belongs to.
    awaited: Option<(Head, usize)>,
    /// What that value still lacks.
    wanted: usize,
}

#[derive(Debug)]
enum Head {
    Item { flags: u32, cas: Option<u64> },
    Meta { flags: Bytes },
}

impl ReplyDecoder {
    /// A decoder at the start of a connection, for values up to `value_size` bytes.
    #[must_use]
    pub fn new(value_size: usize) -> Self {
        Self { value_size, scanned: 0, items: Items::new(), awaited: None, wanted: 0 }
    }

    /// Takes the reply to `asked`, the oldest unanswered request, off the front of `buffer`; `None` when more
    /// bytes are needed. What is understood is consumed, so the next call must be for the same request until it
    /// is answered.
    ///
    /// # Errors
    /// [`Garbage`]: nothing more can be read from this connection.
    pub fn decode(&mut self, asked: &Request, buffer: &mut BytesMut) -> Result<Option<Reply>, Garbage> {
        loop {
            if let Some((_, len)) = &self.awaited {
                let len = *len;
                self.wanted = (len + 2).saturating_sub(buffer.len());
                if self.wanted > 0 {
                    return Ok(None);
                }
                let value = take_value(len, buffer)?;
                match self.awaited.take() {
                    Some((Head::Item { flags, cas }, _)) => self.items.push(Some(Item { flags, cas, value })),
                    Some((Head::Meta { flags }, _)) => {
                        return Ok(Some(Reply::Meta(MetaReply { status: MetaStatus::Value, flags, value })));
                    }
                    None => {}
                }
            }
            let Some(end) = self.line_end(buffer)? else { return Ok(None) };
            let line = buffer[..end].strip_suffix(b"\r").unwrap_or(&buffer[..end]);
            let reply = self.line(asked, line)?;
            buffer.advance(end + 1);
            if reply.is_some() {
                return Ok(reply);
            }
        }
    }

    /// How many bytes of an awaited value (with its line end) were not in the buffer when [`Self::decode`] last
    /// said `None`: a hint for the next read.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    #[inline]
    fn line_end(&mut self, buffer: &BytesMut) -> Result<Option<usize>, Garbage> {
        let unseen = buffer.get(self.scanned..).unwrap_or_default();
        if let Some(at) = memchr::memchr(b'\n', unseen) {
            return Ok(Some(at + std::mem::take(&mut self.scanned)));
        }
        self.scanned = buffer.len();
        if self.scanned > MAX_LINE {
            return Err(Garbage("a line without an end"));
        }
        Ok(None)
    }

    /// One line of a reply; `None` when it is not the last.
    #[inline]
    fn line(&mut self, asked: &Request, line: &[u8]) -> Result<Option<Reply>, Garbage> {
        if let Request::Read(read) = asked {
            if let Some(rest) = line.strip_prefix(b"VALUE ") {
                self.awaited = Some(self.item(read, rest)?);
                return Ok(None);
            }
            if line == b"END" {
                let mut items = std::mem::take(&mut self.items);
                items.resize(read.keys.as_slice().len(), None);
                return Ok(Some(Reply::Items(items)));
            }
        }
        let reply = match (asked, line) {
            (Request::Store(_), b"STORED") => Reply::Stored,
            (Request::Store(_), b"NOT_STORED") => Reply::NotStored,
            (Request::Store(_), b"EXISTS") => Reply::Exists,
            (Request::Store(_) | Request::Delete(_) | Request::Touch { .. } | Request::Arithmetic(_), b"NOT_FOUND") => {
                Reply::NotFound
            }
            (Request::Delete(_), b"DELETED") => Reply::Deleted,
            (Request::Touch { .. }, b"TOUCHED") => Reply::Touched,
            (Request::FlushAll { .. }, b"OK") => Reply::Ok,
            (Request::Arithmetic(_), [b'0'..=b'9', ..]) => {
                Reply::Number(number::plain(line.trim_ascii_end()).ok_or(Garbage("a number that is none"))?)
            }
            _ if is_error(line) => {
                self.items.clear();
                Reply::Refused(Bytes::copy_from_slice(line))
            }
            _ => return Err(Garbage("a line that answers nothing that was asked")),
        };
        Ok(Some(reply))
    }

    /// `<key> <flags> <bytes> [<cas>]`: misses what stands between the last item and this one.
    #[inline]
    fn item(&mut self, read: &Read, line: &[u8]) -> Result<(Head, usize), Garbage> {
        const GARBAGE: Garbage = Garbage("an item that is none");
        let mut words = Words::new(line);
        let key = words.next().ok_or(GARBAGE)?;
        let flags = words.next().and_then(number::plain).ok_or(GARBAGE)?;
        let len = words.next().and_then(number::plain).ok_or(GARBAGE)?;
        let cas = words.next().map(|word| number::plain(word).ok_or(GARBAGE)).transpose()?;
        let remaining = read.keys.as_slice().get(self.items.len()..).unwrap_or_default();
        let missed = remaining
            .iter()
            .position(|asked| asked.as_bytes() == key)
            .ok_or(Garbage("an item that was not asked for"))?;
        self.items.extend(std::iter::repeat_n(None, missed));
        let flags = u32::try_from(flags).map_err(|_| GARBAGE)?;
        Ok((Head::Item { flags, cas }, self.length(len)?))
    }

    fn length(&self, len: u64) -> Result<usize, Garbage> {
        usize::try_from(len).ok().filter(|len| *len <= self.value_size).ok_or(Garbage("a value over the limit"))
    }
}

/// Whether a node says that it did not do it.
fn is_error(line: &[u8]) -> bool {
    line.starts_with(b"SERVER_ERROR") || line.starts_with(b"CLIENT_ERROR") || line.starts_with(b"ERROR")
}

/// Takes a value and its line end off `buffer`, where both are.
#[inline]
fn take_value(len: usize, buffer: &mut BytesMut) -> Result<Bytes, Garbage> {
    if !buffer[len..].starts_with(b"\r\n") {
        return Err(Garbage("a value longer than it said"));
    }
    let value = if len < SPLIT {
        let value = Bytes::copy_from_slice(&buffer[..len]);
        buffer.advance(len);
        value
    } else {
        buffer.split_to(len).freeze()
    };
    buffer.advance(2);
    Ok(value)
}
