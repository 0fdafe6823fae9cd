//! What a node answers.

use bytes::{Buf, Bytes, BytesMut};

use super::Garbage;
use super::line::{self, MetaLine};
use super::request::touch_line_end;
use crate::model::{Item, Items, MetaReply, MetaStatus, Read, Reply, Request};
use crate::wire::decoder::SPLIT;
use crate::wire::number;
use crate::wire::word::Words;

/// The longest line of a reply, in bytes; memcached's own are under 1,024.
const MAX_LINE: usize = 4096;

/// Cuts one node's bytes into [`Reply`]s.
///
/// Beside the items of an unfinished read it holds a few numbers: values wait in the caller's buffer.
#[derive(Debug)]
pub struct ReplyDecoder {
    value_size: usize,
    /// So many bytes of the line at the front have no line end.
    scanned: usize,
    /// The items of a read that has not ended, with `None` for each miss among them.
    items: Items,
    /// The first key of the `gat` line that is being answered.
    line_start: usize,
    /// What an earlier `gat` line of the same read was refused with.
    refused: Option<Reply>,
    /// What a value that is not whole yet belongs to.
    awaited: Option<Awaited>,
    /// What that value still lacks.
    wanted: usize,
}

#[derive(Debug)]
struct Awaited {
    head: Head,
    len: usize,
}

#[derive(Debug)]
enum Head {
    Item { flags: u32, cas: Option<u64> },
    Meta { flags: Bytes },
}

impl ReplyDecoder {
    /// A decoder at the start of a connection. A value over `value_size` bytes is garbage.
    #[must_use]
    pub fn new(value_size: usize) -> Self {
        Self { value_size, scanned: 0, items: Items::new(), line_start: 0, refused: None, awaited: None, wanted: 0 }
    }

    /// Takes the reply to `asked`, the oldest unanswered request, off the front of `buffer`; `None` when more
    /// bytes are needed. What is understood is consumed at once, so the next call must be for the same request
    /// until it is answered.
    ///
    /// # Errors
    /// [`Garbage`]: nothing more can be read from this connection.
    pub fn decode(&mut self, asked: &Request, buffer: &mut BytesMut) -> Result<Option<Reply>, Garbage> {
        loop {
            if let Some(awaited) = &self.awaited {
                let len = awaited.len;
                self.wanted = (len + 2).saturating_sub(buffer.len());
                if self.wanted > 0 {
                    return Ok(None);
                }
                let value = take_value(len, buffer)?;
                if let Some(reply) = self.place(value) {
                    return Ok(Some(reply));
                }
            }
            let Some(end) = self.line_end(buffer)? else { return Ok(None) };
            let line = buffer[..end].strip_suffix(b"\r").unwrap_or(&buffer[..end]);
            let reply = match asked {
                Request::Read(read) => self.read_line(read, line)?,
                Request::Meta(asked) => match line::meta(asked, line)? {
                    MetaLine::Whole(reply) => Some(reply),
                    MetaLine::Value { flags, len } => {
                        self.awaited = Some(Awaited { head: Head::Meta { flags }, len: self.length(len)? });
                        None
                    }
                },
                asked => Some(line::classic(asked, line)?),
            };
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
        match self.scanned > MAX_LINE {
            true => Err(Garbage("a line without an end")),
            false => Ok(None),
        }
    }

    /// Puts an awaited value where it belongs; a meta value is a whole reply.
    #[inline]
    fn place(&mut self, value: Bytes) -> Option<Reply> {
        match self.awaited.take()?.head {
            Head::Item { flags, cas } => {
                self.items.push(Some(Item { flags, cas, value }));
                None
            }
            Head::Meta { flags } => Some(Reply::Meta(MetaReply { status: MetaStatus::Value, flags, value })),
        }
    }

    /// One line of a reply to a read; `None` when it is not the last.
    #[inline]
    fn read_line(&mut self, read: &Read, line: &[u8]) -> Result<Option<Reply>, Garbage> {
        let keys = read.keys.as_slice();
        let line_end = match read.touch {
            None => keys.len(),
            Some(_) => touch_line_end(keys, self.line_start),
        };
        if let Some(item) = line.strip_prefix(b"VALUE ") {
            let (missed, awaited) = self.item(read, line_end, item)?;
            self.items.extend(std::iter::repeat_n(None, missed));
            self.awaited = Some(awaited);
            return Ok(None);
        }
        if line != b"END" {
            let refused = line::refusal(line)?;
            self.refused.get_or_insert(refused);
        }
        self.items.resize(line_end, None);
        self.line_start = line_end;
        if line_end < keys.len() {
            return Ok(None);
        }
        self.line_start = 0;
        let items = std::mem::take(&mut self.items);
        Ok(Some(self.refused.take().unwrap_or(Reply::Items(items))))
    }

    /// `<key> <flags> <bytes> [<cas>]`, and how many keys before it were missed.
    #[inline]
    fn item(&self, read: &Read, line_end: usize, line: &[u8]) -> Result<(usize, Awaited), Garbage> {
        const GARBAGE: Garbage = Garbage("an item that is none");
        let mut words = Words::new(line);
        let key = words.next().ok_or(GARBAGE)?;
        let flags = words.next().and_then(number::plain).and_then(|flags| u32::try_from(flags).ok()).ok_or(GARBAGE)?;
        let len = words.next().and_then(number::plain).ok_or(GARBAGE)?;
        let cas = match (read.cas, words.next()) {
            (false, None) => None,
            (true, Some(token)) => Some(number::plain(token).ok_or(GARBAGE)?),
            _ => return Err(GARBAGE),
        };
        let remaining = read.keys.as_slice().get(self.items.len()..line_end).unwrap_or_default();
        let missed = remaining
            .iter()
            .position(|asked| asked.as_bytes() == key)
            .ok_or(Garbage("an item that was not asked for"))?;
        Ok((missed, Awaited { head: Head::Item { flags, cas }, len: self.length(len)? }))
    }

    fn length(&self, len: u64) -> Result<usize, Garbage> {
        usize::try_from(len).ok().filter(|len| *len <= self.value_size).ok_or(Garbage("a value over the limit"))
    }
}

/// Takes a value and its line end off `buffer`, where both are.
#[inline]
fn take_value(len: usize, buffer: &mut BytesMut) -> Result<Bytes, Garbage> {
    if !buffer[len..].starts_with(b"\r\n") {
        return Err(Garbage("a value that is longer than its size"));
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
