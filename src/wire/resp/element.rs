//! RESP 2, one element at a time.

use bytes::{Bytes, BytesMut};

use crate::wire::node::Garbage;
use crate::wire::{cut, number};

/// The longest line, in bytes: errors of scripts quote what they were given.
const MAX_LINE: usize = 16 * 1024;

/// One element of a reply. An array is told by its length alone; its elements follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// `+OK`
    Status(Bytes),
    /// `-WRONGTYPE …`, without the minus.
    Error(Bytes),
    /// `:1`
    Integer(i64),
    /// A string; `None` for none, an empty array's null among them.
    Bulk(Option<Bytes>),
    /// A string over the limit: its bytes were dropped.
    TooLarge,
    /// So many elements follow.
    Array(usize),
}

/// Cuts bytes into [`Element`]s; holds a few numbers, and no bytes.
#[derive(Debug)]
pub struct Elements {
    limit: usize,
    /// So many unread bytes have no line end.
    scanned: usize,
    /// The length of a string whose line was read.
    awaited: Option<usize>,
    /// What is still to be dropped of a string over the limit, its line end included.
    dropping: usize,
    wanted: usize,
}

impl Elements {
    /// At the start of a connection. A string over `limit` bytes is dropped.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, scanned: 0, awaited: None, dropping: 0, wanted: 0 }
    }

    /// How many bytes of a string were missing when [`Self::next`] last said `None`.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// The element at `read`, which is moved behind it; `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`Garbage`]: nothing more can be read from this connection.
    #[inline]
    pub fn next(&mut self, buffer: &mut BytesMut, read: &mut usize) -> Result<Option<Element>, Garbage> {
        if self.dropping > 0 {
            return Ok(self.drop_bytes(buffer, read));
        }
        if let Some(len) = self.awaited {
            return self.string(len, buffer, read);
        }
        let unread = &buffer[*read..];
        let Some(end) = cut::line_end(unread, &mut self.scanned, MAX_LINE)? else { return Ok(None) };
        let line = unread[..end].strip_suffix(b"\r").ok_or(Garbage("a line with a bare line feed"))?;
        let (kind, rest) = line.split_first().ok_or(Garbage("an empty line"))?;
        let element = match kind {
            b'$' => {
                let Some(len) = length(rest)? else {
                    *read += end + 1;
                    return Ok(Some(Element::Bulk(None)));
                };
                *read += end + 1;
                if len > self.limit {
                    self.dropping = len.checked_add(2).ok_or(Garbage("a string without a length"))?;
                    return Ok(self.drop_bytes(buffer, read));
                }
                self.awaited = Some(len);
                return self.string(len, buffer, read);
            }
            b'+' => Element::Status(Bytes::copy_from_slice(rest)),
            b'-' => Element::Error(Bytes::copy_from_slice(rest)),
            b':' => Element::Integer(integer(rest)?),
            b'*' => length(rest)?.map_or(Element::Bulk(None), Element::Array),
            _ => return Err(Garbage("a line that is not RESP")),
        };
        *read += end + 1;
        Ok(Some(element))
    }

    #[inline]
    fn string(&mut self, len: usize, buffer: &mut BytesMut, read: &mut usize) -> Result<Option<Element>, Garbage> {
        let unread = &buffer[*read..];
        self.wanted = (len + 2).saturating_sub(unread.len());
        if self.wanted > 0 {
            return Ok(None);
        }
        let value = cut::value(len, buffer, read).ok_or(Garbage("a string that is longer than its size"))?;
        self.awaited = None;
        Ok(Some(Element::Bulk(Some(value))))
    }

    fn drop_bytes(&mut self, buffer: &BytesMut, read: &mut usize) -> Option<Element> {
        cut::surplus(&mut self.dropping, buffer, read).then_some(Element::TooLarge)
    }
}

/// A length; `None` for -1, which is a null.
#[inline]
fn length(text: &[u8]) -> Result<Option<usize>, Garbage> {
    if text == b"-1" {
        return Ok(None);
    }
    let len = number::plain(text).and_then(|len| usize::try_from(len).ok());
    len.map(Some).ok_or(Garbage("a string or an array without a length"))
}

fn integer(text: &[u8]) -> Result<i64, Garbage> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Garbage("an integer that is none"))
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    /// What `bytes` are, when they come in pieces of `size`.
    fn elements(bytes: &[u8], size: usize) -> Result<Vec<Element>, Garbage> {
        let (mut elements, mut buffer, mut found) = (Elements::new(10), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(size) {
            buffer.extend_from_slice(piece);
            let mut read = 0;
            while let Some(element) = elements.next(&mut buffer, &mut read)? {
                found.push(element);
            }
            buffer.advance(read);
        }
        assert!(buffer.is_empty());
        Ok(found)
    }

    #[test]
    fn every_kind_is_read_however_it_is_cut() {
        let bytes =
            b"+OK\r\n-ERR no\r\n:-2\r\n$-1\r\n*-1\r\n*2\r\n$0\r\n\r\n$3\r\na\r\n\r\n$11\r\n01234567890\r\n:1\r\n";
        let all = [
            Element::Status(Bytes::from_static(b"OK")),
            Element::Error(Bytes::from_static(b"ERR no")),
            Element::Integer(-2),
            Element::Bulk(None),
            Element::Bulk(None),
            Element::Array(2),
            Element::Bulk(Some(Bytes::new())),
            Element::Bulk(Some(Bytes::from_static(b"a\r\n"))),
            Element::TooLarge,
            Element::Integer(1),
        ];
        for size in 1..=bytes.len() {
            assert_eq!(elements(bytes, size).unwrap(), all, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_not_resp_is_garbage() {
        for bytes in [
            &b"STORED\r\n"[..],
            b"\r\n",
            b"+OK\n",
            b"$x\r\n",
            b"$-2\r\n",
            b"$99999999999999999999\r\n",
            b"$18446744073709551615\r\n",
            b":\r\n",
            b":1x\r\n",
            b"$1\r\nabc\r\n",
            &[b'+'; MAX_LINE + 2],
        ] {
            assert!(elements(bytes, bytes.len()).is_err(), "{}", bytes.escape_ascii());
        }
    }
}
