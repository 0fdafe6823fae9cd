//! What the decoders of both kinds of nodes cut out of their read buffer.

use bytes::{Buf, Bytes, BytesMut};

use super::node::Garbage;

/// Values of this size and more are split off the buffer that they were read into, smaller ones copied out of it: 16 KiB.
pub(super) const SPLIT: usize = 16 * 1024;

/// Where the line at the front of `unread` ends; `None` when its end has not come. `scanned` is how much of it has
/// been looked at, and no byte is looked at twice.
///
/// # Errors
/// When more than `most` bytes have no end.
#[inline]
pub(super) fn line_end(unread: &[u8], scanned: &mut usize, most: usize) -> Result<Option<usize>, Garbage> {
    let unseen = unread.get(*scanned..).unwrap_or_default();
    if let Some(at) = memchr::memchr(b'\n', unseen) {
        return Ok(Some(at + std::mem::take(scanned)));
    }
    *scanned = unread.len();
    match *scanned > most {
        true => Err(Garbage("a line without an end")),
        false => Ok(None),
    }
}

/// Drops what has come, behind the first `read` bytes of `buffer`, of `left` bytes that nobody wants; whether that was all
/// of them.
pub(super) fn surplus(left: &mut usize, buffer: &BytesMut, read: &mut usize) -> bool {
    let dropped = (*left).min(buffer.len() - *read);
    *read += dropped;
    *left -= dropped;
    *left == 0
}

/// Takes the value of `len` bytes that stands, whole and with its line end, behind the first `read` bytes of `buffer`:
/// a small one copied, a large one split off. `None` when no line end stands behind it.
#[inline]
pub(super) fn value(len: usize, buffer: &mut BytesMut, read: &mut usize) -> Option<Bytes> {
    let unread = &buffer[*read..];
    if !unread[len..].starts_with(b"\r\n") {
        return None;
    }
    if len < SPLIT {
        *read += len + 2;
        return Some(Bytes::copy_from_slice(&unread[..len]));
    }
    buffer.advance(*read);
    *read = 2;
    Some(buffer.split_to(len).freeze())
}
