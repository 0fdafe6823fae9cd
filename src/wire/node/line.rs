//! The last line of a reply, judged by what was asked.

use bytes::Bytes;

use super::Garbage;
use super::echo;
use crate::model::{Meta, MetaReply, MetaStatus, MetaVerb, Reply, Request};
use crate::wire::number;

/// The reply that `line` is to anything but a read or a meta command.
pub fn classic(asked: &Request, line: &[u8]) -> Result<Reply, Garbage> {
    let reply = match (asked, line) {
        (Request::Store(_), b"STORED") => Reply::Stored,
        (Request::Store(_), b"NOT_STORED") => Reply::NotStored,
        (Request::Store(_), b"EXISTS") => Reply::Exists,
        (Request::Store(_) | Request::Delete(_) | Request::Touch { .. } | Request::Arithmetic(_), b"NOT_FOUND") => {
            Reply::NotFound
        }
        (Request::Delete(_), b"DELETED") => Reply::Deleted,
        // A key that fits no line is deleted by `md`.
        (Request::Delete(_), b"HD") => Reply::Deleted,
        (Request::Delete(_), b"NF") => Reply::NotFound,
        (Request::Touch { .. }, b"TOUCHED") => Reply::Touched,
        (Request::FlushAll { .. }, b"OK") => Reply::Ok,
        (Request::Arithmetic(_), [b'0'..=b'9', ..]) => {
            // Old memcacheds fill a number that became shorter with spaces.
            Reply::Number(number::plain(line.trim_ascii_end()).ok_or(Garbage("a number that is none"))?)
        }
        _ => return refusal(line),
    };
    Ok(reply)
}

/// What the node says instead of carrying it out.
pub fn refusal(line: &[u8]) -> Result<Reply, Garbage> {
    let is_error = line.starts_with(b"SERVER_ERROR") || line.starts_with(b"CLIENT_ERROR") || line.starts_with(b"ERROR");
    match is_error {
        true => Ok(Reply::Refused(Bytes::copy_from_slice(line))),
        false => Err(Garbage("a line that answers nothing that was asked")),
    }
}

/// What a line says to a meta command.
pub enum MetaLine {
    /// All there is to say.
    Whole(Reply),
    /// A value of so many bytes follows.
    Value { flags: Bytes, len: u64 },
}

/// The answer to a meta command: two letters, and what stands behind them.
pub fn meta(asked: &Meta, line: &[u8]) -> Result<MetaLine, Garbage> {
    let Some((status, rest)) = status(line) else { return refusal(line).map(MetaLine::Whole) };
    if !is_answer(asked, status) {
        return Err(Garbage("a status that the command does not have"));
    }
    if status != MetaStatus::Value {
        check_opaque(asked, rest)?;
        let flags = answered(asked, status, rest);
        return Ok(MetaLine::Whole(Reply::Meta(MetaReply { status, flags, value: Bytes::new() })));
    }
    let (len, flags) = match memchr::memchr(b' ', rest) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &b""[..]),
    };
    check_opaque(asked, flags)?;
    let len = number::plain(len).ok_or(Garbage("a value without a size"))?;
    Ok(MetaLine::Value { flags: answered(asked, status, flags), len })
}

/// The flags as the client asked for them.
fn answered(asked: &Meta, status: MetaStatus, flags: &[u8]) -> Bytes {
    if echo::is_unsafe(asked) { echo::restored(asked, status, flags) } else { Bytes::copy_from_slice(flags) }
}

fn status(line: &[u8]) -> Option<(MetaStatus, &[u8])> {
    let (letters, rest) = line.split_at_checked(2)?;
    let rest = match rest {
        [] => rest,
        [b' ', rest @ ..] => rest,
        _ => return None,
    };
    let status = match letters {
        b"HD" => MetaStatus::Done,
        b"VA" => MetaStatus::Value,
        b"EN" => MetaStatus::Miss,
        b"NF" => MetaStatus::NotFound,
        b"NS" => MetaStatus::NotStored,
        b"EX" => MetaStatus::Exists,
        b"ME" => MetaStatus::Debug,
        _ => return None,
    };
    Some((status, rest))
}

/// A value comes exactly where one was asked for: without it, a client would take an answer that lost its value for an
/// empty one.
fn is_answer(asked: &Meta, status: MetaStatus) -> bool {
    use MetaStatus::{Debug, Done, Exists, Miss, NotFound, NotStored, Value};
    let found = || if asked.has(b'v') { Value } else { Done };
    match asked.verb {
        MetaVerb::Get => status == Miss || status == found(),
        MetaVerb::Set => matches!(status, Done | NotFound | NotStored | Exists),
        MetaVerb::Delete => matches!(status, Done | NotFound | Exists),
        MetaVerb::Arithmetic => matches!(status, NotFound | NotStored | Exists) || status == found(),
        MetaVerb::Debug => matches!(status, Debug | Miss),
    }
}

/// An opaque comes back as it was sent, or the reply is to another request.
fn check_opaque(asked: &Meta, flags: &[u8]) -> Result<(), Garbage> {
    let Some(opaque) = asked.flags().find(|flag| flag[0] == b'O') else { return Ok(()) };
    match asked.verb == MetaVerb::Debug || flags.split(|byte| *byte == b' ').any(|flag| flag == opaque) {
        true => Ok(()),
        false => Err(Garbage("the opaque of another request")),
    }
}
