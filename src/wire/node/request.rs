//! What ketch says to a node.

use super::echo;
use crate::model::{Expiry, Key, Meta, MetaVerb, Read, Request, Store, StoreMode};
use crate::wire::Outbox;
use crate::wire::meta::encode_base64;

/// Writes `request`. A reply is always wanted: `noreply` and `q` never reach a node.
///
/// A key with a space, a line feed or a zero byte may stand in a [`Request::Meta`], by its token, and in a
/// [`Request::Delete`]; in no other request, since the node would read more than one word.
pub fn encode_request(request: &Request, out: &mut Outbox) {
    debug_assert!(
        matches!(request, Request::Meta(_) | Request::Lease(_) | Request::Delete(_))
            || request.keys().iter().all(is_line_safe),
        "a key that is not one word: {request:?}"
    );
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
        Request::Meta(meta) | Request::Lease(meta) => encode_meta(meta, out),
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
    let keys = read.keys.as_slice();
    let Some(expiry) = read.touch else {
        match read.cas {
            true => out.put(b"gets"),
            false => out.put(b"get"),
        }
        return put_keys(keys, out);
    };
    let mut start = 0;
    while start < keys.len() {
        out.put(if read.cas { b"gats" } else { b"gat" });
        put_expiry(expiry, out);
        let end = touch_line_end(keys, start);
        put_keys(&keys[start..end], out);
        start = end;
    }
}

#[inline]
fn put_keys(keys: &[Key], out: &mut Outbox) {
    for key in keys {
        out.put(b" ");
        out.put(key.as_bytes());
    }
    out.put(b"\r\n");
}

/// Where the `gat` line ends that starts with key `start`.
///
/// memcached closes the connection on an unfinished line over 2,048 bytes that is no `get`, so that a `gat` of many
/// keys goes out as several, each with an `END` of its own.
pub fn touch_line_end(keys: &[Key], start: usize) -> usize {
    /// What is left of 2,048 bytes for keys, behind `gats -2147483648`.
    const ROOM: usize = 2000;
    let mut taken = 0;
    let fits = |key: &&Key| {
        taken += 1 + key.as_bytes().len();
        taken <= ROOM
    };
    start + keys[start..].iter().take_while(fits).count()
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
    put_value(&store.value, out);
}

/// Keys that do not fit a line come from `b`, and are deleted by that name.
fn encode_delete(key: &Key, out: &mut Outbox) {
    if is_line_safe(key) {
        out.put(b"delete ");
        out.put(key.as_bytes());
    } else {
        out.put(b"md ");
        out.put(encode_base64(key.as_bytes()).as_bytes());
        out.put(b" b");
    }
    out.put(b"\r\n");
}

/// Whether memcached reads the key as one word. More keys are than [`Key::is_text`] has it: it takes tabs.
fn is_line_safe(key: &Key) -> bool {
    memchr::memchr3(b' ', b'\n', 0, key.as_bytes()).is_none()
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
    let safe;
    let flags = if echo::is_unsafe(meta) {
        safe = echo::without(meta);
        &safe[..]
    } else {
        &meta.flags[..]
    };
    if !flags.is_empty() {
        out.put(b" ");
        out.put(flags);
    }
    match meta.verb {
        MetaVerb::Set => put_value(&meta.value, out),
        _ => out.put(b"\r\n"),
    }
}

fn put_value(value: &bytes::Bytes, out: &mut Outbox) {
    out.put(b"\r\n");
    out.put_shared(value);
    out.put(b"\r\n");
}

fn put_expiry(expiry: Expiry, out: &mut Outbox) {
    out.put(b" ");
    out.put_signed(i64::from(expiry.0));
}
