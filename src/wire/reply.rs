//! What ketch answers a client.

use super::{Outbox, Spelling};
use crate::model::{Item, MetaReply, MetaStatus, MetaVerb, Reply, Request};

/// Writes `reply` as the client that spelled its request so expects it. Large values are taken out of it.
///
/// It stays where it is: to move it here costs as much as to write it.
pub fn encode_reply(spelling: &Spelling, reply: &mut Reply, out: &mut Outbox) {
    match (spelling, reply) {
        (Spelling::Silent, _) => {}
        (Spelling::Says(_), Reply::Refused(line)) => put_line(line, out),
        (Spelling::Says(line), _) => put_line(line, out),
        (Spelling::Read(request), Reply::Items(items)) => encode_items(request, items, out),
        (Spelling::Meta { verb, quiet }, Reply::Meta(reply)) => encode_meta(*verb, *quiet, reply, out),
        (_, reply) => encode_line(reply, out),
    }
}

#[inline]
fn encode_items(request: &Request, items: &mut [Option<Item>], out: &mut Outbox) {
    let cas = matches!(request, Request::Read(read) if read.cas);
    for (key, item) in request.keys().iter().zip(items) {
        if let Some(item) = item {
            encode_item(key.as_bytes(), cas, item, out);
        }
    }
    out.put(b"END\r\n");
}

#[inline]
fn encode_item(key: &[u8], cas: bool, item: &mut Item, out: &mut Outbox) {
    out.put(b"VALUE ");
    out.put(key);
    if item.flags == 0 {
        out.put(b" 0 ");
    } else {
        out.put(b" ");
        out.put_number(u64::from(item.flags));
        out.put(b" ");
    }
    out.put_number(item.value.len() as u64);
    if cas {
        out.put(b" ");
        out.put_number(item.cas.unwrap_or(0));
    }
    out.put(b"\r\n");
    out.put_taken(&mut item.value);
    out.put(b"\r\n");
}

fn encode_meta(verb: MetaVerb, quiet: bool, reply: &mut MetaReply, out: &mut Outbox) {
    if quiet && is_hidden(verb, reply.status) {
        return;
    }
    out.put(letters(reply.status));
    if reply.status == MetaStatus::Value {
        out.put(b" ");
        out.put_number(reply.value.len() as u64);
    }
    if !reply.flags.is_empty() {
        out.put(b" ");
        out.put(&reply.flags);
    }
    out.put(b"\r\n");
    if reply.status == MetaStatus::Value {
        out.put_taken(&mut reply.value);
        out.put(b"\r\n");
    }
}

/// What `q` keeps to itself: the miss of a read, the success of a write.
fn is_hidden(verb: MetaVerb, status: MetaStatus) -> bool {
    match verb {
        MetaVerb::Get => status == MetaStatus::Miss,
        MetaVerb::Set | MetaVerb::Delete => status == MetaStatus::Done,
        MetaVerb::Arithmetic => matches!(status, MetaStatus::Done | MetaStatus::Value),
        MetaVerb::Debug => false,
    }
}

fn letters(status: MetaStatus) -> &'static [u8] {
    match status {
        MetaStatus::Done => b"HD",
        MetaStatus::Value => b"VA",
        MetaStatus::Miss => b"EN",
        MetaStatus::NotFound => b"NF",
        MetaStatus::NotStored => b"NS",
        MetaStatus::Exists => b"EX",
        MetaStatus::Debug => b"ME",
    }
}

fn encode_line(reply: &Reply, out: &mut Outbox) {
    match reply {
        Reply::Stored => out.put(b"STORED\r\n"),
        Reply::NotStored => out.put(b"NOT_STORED\r\n"),
        Reply::Exists => out.put(b"EXISTS\r\n"),
        Reply::NotFound => out.put(b"NOT_FOUND\r\n"),
        Reply::Deleted => out.put(b"DELETED\r\n"),
        Reply::Touched => out.put(b"TOUCHED\r\n"),
        Reply::Ok => out.put(b"OK\r\n"),
        Reply::Number(number) => {
            out.put_number(*number);
            out.put(b"\r\n");
        }
        Reply::Refused(line) => put_line(line, out),
        Reply::Failed(failure) => encode_failure(failure.kind.message(), out),
        // A reply of another kind than its request: a defect of a backend, told rather than hidden.
        Reply::Items(_) | Reply::Meta(_) => encode_failure("cache node answered garbage", out),
    }
}

fn encode_failure(message: &str, out: &mut Outbox) {
    out.put(b"SERVER_ERROR ");
    out.put(message.as_bytes());
    out.put(b"\r\n");
}

fn put_line(line: &[u8], out: &mut Outbox) {
    out.put(line);
    out.put(b"\r\n");
}
