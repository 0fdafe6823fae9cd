//! What ketch says to a node.

use crate::model::{Expiry, Key, Meta, MetaVerb, Read, Request, Store, StoreMode};
use crate::wire::Outbox;

/// Writes `request`. A reply is always wanted: `noreply` and `q` never reach a node.
pub fn encode_request(request: &Request, out: &mut Outbox) {
    match request {
        Request::Read(read) => encode_read(read, out),
        Request::Store(store) => encode_store(store, out),
        Request::Delete(key) => encode_delete(key, out),
        Request::Arithmetic(arithmetic) => {
            out.put(if arithmetic.decrement { b"decr " } else { b"incr " });
            out.put(arithmetic.key.as_bytes());
            out.put(b" ");
            out.put_number(arithmetic.delta);
            out.put(b"\r\n");
        }
        Request::Touch { key, expiry } => {
            out.put(b"touch ");
            out.put(key.as_bytes());
            put_expiry(*expiry, out);
            out.put(b"\r\n");
        }
        Request::Meta(meta) => encode_meta(meta, out),
        Request::FlushAll { delay } => {
            out.put(b"flush_all");
            if let Some(delay) = delay {
                put_expiry(*delay, out);
            }
            out.put(b"\r\n");
        }
    }
}

#[inline]
fn encode_read(read: &Read, out: &mut Outbox) {
    match (read.touch, read.cas) {
        (None, false) => out.put(b"get"),
        (None, true) => out.put(b"gets"),
        (Some(_), false) => out.put(b"gat"),
        (Some(_), true) => out.put(b"gats"),
    }
    if let Some(expiry) = read.touch {
        put_expiry(expiry, out);
    }
    for key in read.keys.as_slice() {
        out.put(b" ");
        out.put(key.as_bytes());
    }
    out.put(b"\r\n");
}

#[inline]
fn encode_store(store: &Store, out: &mut Outbox) {
    out.put(match store.mode {
        StoreMode::Set => b"set ",
        StoreMode::Add => b"add ",
        StoreMode::Replace => b"replace ",
        StoreMode::Append => b"append ",
        StoreMode::Prepend => b"prepend ",
        StoreMode::Cas(_) => b"cas ",
    });
    out.put(store.key.as_bytes());
    out.put(b" ");
    out.put_number(u64::from(store.flags));
    put_expiry(store.expiry, out);
    out.put(b" ");
    out.put_number(store.value.len() as u64);
    if let StoreMode::Cas(token) = store.mode {
        out.put(b" ");
        out.put_number(token);
    }
    put_value(store.value.clone(), out);
}

fn encode_delete(key: &Key, out: &mut Outbox) {
    out.put(b"delete ");
    out.put(key.as_bytes());
    out.put(b"\r\n");
}

fn encode_meta(meta: &Meta, out: &mut Outbox) {
    out.put(match meta.verb {
        MetaVerb::Get => b"mg ",
        MetaVerb::Set => b"ms ",
        MetaVerb::Delete => b"md ",
        MetaVerb::Arithmetic => b"ma ",
        MetaVerb::Debug => b"me ",
    });
    out.put(&meta.token);
    if meta.verb == MetaVerb::Set {
        out.put(b" ");
        out.put_number(meta.value.len() as u64);
    }
    if !meta.flags.is_empty() {
        out.put(b" ");
        out.put(&meta.flags);
    }
    match meta.verb {
        MetaVerb::Set => put_value(meta.value.clone(), out),
        _ => out.put(b"\r\n"),
    }
}

fn put_value(value: bytes::Bytes, out: &mut Outbox) {
    out.put(b"\r\n");
    out.put_bytes(value);
    out.put(b"\r\n");
}

fn put_expiry(expiry: Expiry, out: &mut Outbox) {
    out.put(b" ");
    out.put_signed(i64::from(expiry.0));
}
