//! What a node answers.

use bytes::{Bytes, BytesMut};
use smallvec::smallvec;

use super::Garbage;
use super::line::{self, MetaLine};
use super::request::touch_line_end;
use crate::model::{FailureKind, Item, Items, Key, Keys, Meta, MetaReply, MetaStatus, Read, Reply, Request};
use crate::wire::cut::SPLIT;
use crate::wire::decoder::TOO_LARGE;
use crate::wire::found::Found;
use crate::wire::{cut, number};

/// The longest line of a reply, in bytes; memcached's own are under 1,024.
const MAX_LINE: usize = 4096;

/// The largest value that a memcached can have (`-I 1g`), in bytes.
const MAX_VALUE: u64 = 1 << 30;

/// Cuts one node's bytes into [`Reply`]s.
///
/// Beside the items of an unfinished read ([`ReplyDecoder::held`]) it holds a few numbers: values wait in the caller's
/// buffer.
#[derive(Debug)]
pub struct ReplyDecoder {
    value_size: usize,
    /// So many bytes of the line at the front have no line end.
    scanned: usize,
    /// What a read that has not ended has come to.
    found: Found,
    /// The first key of the `gat` line that is being answered.
    line_start: usize,
    /// What an earlier `gat` line of the same read was refused with.
    refused: Option<Reply>,
    /// What a value that is not whole yet belongs to.
    awaited: Option<Awaited>,
    /// What that value still lacks.
    wanted: usize,
    /// So much is still to come, with its line end, of a value that is too large to be taken.
    surplus: usize,
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
    /// A decoder at the start of a connection. A value over `value_size` bytes is dropped as it comes: it is a miss among
    /// others, and by itself refused.
    #[must_use]
    pub fn new(value_size: usize) -> Self {
        Self {
            value_size,
            scanned: 0,
            found: Found::default(),
            line_start: 0,
            refused: None,
            awaited: None,
            wanted: 0,
            surplus: 0,
        }
    }

    /// Reads the reply to `asked`, the oldest unanswered request, behind the first `read` bytes of `buffer`; `None` when
    /// more bytes are needed. What is understood is left there, and `read` tells how much that is: one step forward for
    /// many replies costs less than one for each. The next call must be for the same request until it is answered.
    ///
    /// # Errors
    /// [`Garbage`]: nothing more can be read from this connection.
    #[inline]
    pub fn decode_behind(
        &mut self,
        read: &mut usize,
        asked: &Request,
        buffer: &mut BytesMut,
    ) -> Result<Option<Reply>, Garbage> {
        if let Request::Read(Read { keys: Keys::One(key), cas: false, .. }) = asked
            && !self.is_amid_a_read()
            && let Some(items) = self.whole_read(key, &buffer[*read..], read)
        {
            return Ok(Some(Reply::Items(items)));
        }
        self.decode_by_line(asked, buffer, read)
    }

    /// Whether some of the oldest read's reply was taken off already.
    #[inline]
    fn is_amid_a_read(&self) -> bool {
        self.scanned > 0 || self.awaited.is_some() || self.surplus > 0 || !self.found.is_empty()
    }

    /// The commonest reply by far, all that is said to a `get` of one key, in one step. `None` for one that is not
    /// whole or has anything odd about it: it is taken line by line.
    #[inline]
    fn whole_read(&self, key: &Key, unread: &[u8], read: &mut usize) -> Option<Items> {
        const END: &[u8] = b"END\r\n";
        if unread.starts_with(END) {
            *read += END.len();
            return Some(smallvec![None]);
        }
        let (item, len) = self.plain_item(key, unread)?;
        if !unread[len..].starts_with(END) {
            return None;
        }
        *read += len + END.len();
        Some(smallvec![Some(item)])
    }

    /// The item of `key` at the front of `unread`, small, whole and without a token, and how long it is with its line
    /// ends.
    #[inline]
    fn plain_item(&self, key: &Key, unread: &[u8]) -> Option<(Item, usize)> {
        let line = unread.strip_prefix(b"VALUE ")?.strip_prefix(key.as_bytes())?.strip_prefix(b" ")?;
        let (flags, line) = number::leading(line)?;
        let (len, value) = number::leading(line.strip_prefix(b" ")?)?;
        let value = value.strip_prefix(b"\r\n")?;
        let (flags, len) =
            (u32::try_from(flags).ok()?, usize::try_from(len).ok().filter(|len| *len <= self.value_size)?);
        if len >= SPLIT || !value.get(len..)?.starts_with(b"\r\n") {
            return None;
        }
        let whole = unread.len() - value.len() + len + 2;
        Some((Item { flags, cas: None, value: Bytes::copy_from_slice(&value[..len]) }, whole))
    }

    /// Takes the items that come for the keys of `asked` next, as long as none is missed and all are plain.
    #[inline]
    fn plain_items(&mut self, asked: &Read, buffer: &BytesMut, read: &mut usize) {
        if asked.cas || asked.touch.is_some() || self.scanned > 0 || self.found.is_given_up() {
            return;
        }
        while let Some(key) = asked.keys.as_slice().get(self.found.len())
            && let Some((item, len)) = self.plain_item(key, &buffer[*read..])
        {
            self.found.push(Some(item), asked.keys.as_slice().len());
            *read += len;
        }
    }

    fn decode_by_line(
        &mut self,
        asked: &Request,
        buffer: &mut BytesMut,
        read: &mut usize,
    ) -> Result<Option<Reply>, Garbage> {
        loop {
            if self.surplus > 0 {
                self.wanted = 0;
                if !cut::surplus(&mut self.surplus, buffer, read) {
                    return Ok(None);
                }
                if let Some(reply) = self.place_none(asked) {
                    return Ok(Some(reply));
                }
            }
            if let Some(awaited) = &self.awaited {
                let len = awaited.len;
                self.wanted = (len + 2).saturating_sub(buffer.len() - *read);
                if self.wanted > 0 {
                    return Ok(None);
                }
                let value = take_value(len, buffer, read)?;
                if let Some(reply) = self.place(value) {
                    return Ok(Some(reply));
                }
            }
            if let Request::Read(asked) = asked {
                self.plain_items(asked, buffer, read);
            }
            let unread = &buffer[*read..];
            let Some(end) = cut::line_end(unread, &mut self.scanned, MAX_LINE)? else { return Ok(None) };
            *read += end + 1;
            let line = unread[..end].strip_suffix(b"\r").unwrap_or(&unread[..end]);
            let reply = match asked {
                Request::Read(asked) => self.read_line(asked, line)?,
                Request::Meta(asked) | Request::Lease(asked) => self.meta_line(asked, line)?,
                asked => Some(line::classic(asked, line)?),
            };
            if reply.is_some() {
                return Ok(reply);
            }
        }
    }

    /// How many bytes of an awaited value (with its line end) were not in the buffer when [`Self::decode_behind`] last
    /// said `None`: a hint for the next read.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// The bytes of the values that an unfinished read has come to so far.
    #[must_use]
    pub fn held(&self) -> usize {
        self.found.held()
    }

    /// Drops what the unfinished read has come to, and what is still to come of it: its reply will be a failure for
    /// want of memory. To be called while [`Self::held`] is not 0.
    pub fn give_up(&mut self) {
        self.found.give_up();
    }

    /// Puts an awaited value where it belongs; a meta value is a whole reply.
    #[inline]
    fn place(&mut self, value: Bytes) -> Option<Reply> {
        match self.awaited.take()?.head {
            Head::Item { flags, cas } => {
                self.found.push(Some(Item { flags, cas, value }), 1);
                None
            }
            Head::Meta { flags } => Some(Reply::Meta(MetaReply { status: MetaStatus::Value, flags, value })),
        }
    }

    /// Puts nothing where a value was too large.
    fn place_none(&mut self, asked: &Request) -> Option<Reply> {
        let refusal = |line| Reply::Refused(Bytes::from_static(line));
        let Request::Read(read) = asked else { return Some(refusal(TOO_LARGE)) };
        if let Some(line) = self.found.push_too_large(read.keys.as_slice().len()) {
            self.refused.get_or_insert(refusal(line));
        }
        None
    }

    /// A value of `len` bytes is to come.
    #[inline]
    fn expect(&mut self, head: Head, len: u64) -> Result<(), Garbage> {
        match usize::try_from(len) {
            Ok(len) if len <= self.value_size => self.awaited = Some(Awaited { head, len }),
            Ok(size) if len <= MAX_VALUE => self.surplus = size + 2,
            _ => return Err(Garbage("a value over any limit")),
        }
        Ok(())
    }

    /// The line of a reply to a meta command; `None` when a value follows.
    fn meta_line(&mut self, asked: &Meta, line: &[u8]) -> Result<Option<Reply>, Garbage> {
        Ok(match line::meta(asked, line)? {
            MetaLine::Whole(reply) => Some(reply),
            MetaLine::Value { flags, len } => {
                self.expect(Head::Meta { flags }, len)?;
                None
            }
        })
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
            let (missed, head, len) = self.item(read, line_end, item)?;
            self.found.miss_up_to(self.found.len() + missed);
            self.expect(head, len)?;
            return Ok(None);
        }
        if line != b"END" {
            let refused = line::refusal(line)?;
            self.refused.get_or_insert(refused);
        }
        self.found.miss_up_to(line_end);
        self.line_start = line_end;
        if line_end < keys.len() {
            return Ok(None);
        }
        self.line_start = 0;
        let reply = self.found.take().map_or(Reply::never_sent(FailureKind::Memory), Reply::Items);
        Ok(Some(self.refused.take().unwrap_or(reply)))
    }

    /// `<key> <flags> <bytes> [<cas>]`: how many keys before it were missed, what it is, and how long.
    #[inline]
    fn item(&self, read: &Read, line_end: usize, line: &[u8]) -> Result<(usize, Head, u64), Garbage> {
        const GARBAGE: Garbage = Garbage("an item that is none");
        let remaining = read.keys.as_slice().get(self.found.len()..line_end).unwrap_or_default();
        let numbers = |key: &Key| line.strip_prefix(key.as_bytes())?.strip_prefix(b" ");
        let (missed, numbers) = remaining
            .iter()
            .enumerate()
            .find_map(|(at, key)| Some((at, numbers(key)?)))
            .ok_or(Garbage("an item that was not asked for"))?;
        let (flags, rest) = number::leading(numbers).ok_or(GARBAGE)?;
        let (len, rest) = rest.strip_prefix(b" ").and_then(number::leading).ok_or(GARBAGE)?;
        let cas = match (read.cas, rest) {
            (false, []) => None,
            (true, [b' ', rest @ ..]) => Some(number::plain(rest).ok_or(GARBAGE)?),
            _ => return Err(GARBAGE),
        };
        let flags = u32::try_from(flags).map_err(|_| GARBAGE)?;
        Ok((missed, Head::Item { flags, cas }, len))
    }
}

/// Takes a value that is whole, with its line end, from `read` on.
#[inline]
fn take_value(len: usize, buffer: &mut BytesMut, read: &mut usize) -> Result<Bytes, Garbage> {
    cut::value(len, buffer, read).ok_or(Garbage("a value that is longer than its size"))
}
