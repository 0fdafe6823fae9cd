//! What ketch says to a Redis server.

use bytes::{Buf, Bytes, BytesMut};

use super::element::{Element, Elements};
use super::envelope;
use super::expiry::Life;
use super::lease;
use super::meta::{self, Flags, Step};
use super::script::Script;
use crate::model::{Arithmetic, Expiry, Key, Meta, MetaVerb, Read, Request, Store, StoreMode};
use crate::wire::Outbox;

/// What memcached spends of `-I` on an item beside key and value, without flags: see [`crate::wire`].
const ITEM: usize = 48 + 8 + 1 + 2;

/// How requests are to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dictation {
    /// `limits.value_size`: to what append and prepend may grow a value.
    pub value_size: usize,
    /// Whether scripts go out whole: the server has forgotten them.
    pub whole: bool,
}

/// Whether Redis has an answer to `request`: to every one but some meta flags, and a flush that is put off.
#[must_use]
pub fn is_supported(request: &Request) -> bool {
    match request {
        Request::Meta(meta) => meta::is_supported(meta),
        Request::FlushAll { delay } => delay.is_none_or(|delay| delay.0 == 0),
        _ => true,
    }
}

/// How many replies [`encode_request`] asks for.
pub fn replies(request: &Request) -> usize {
    match request {
        Request::Read(read) if read.touch.is_some() => read.keys.as_slice().len(),
        Request::Touch { expiry: Expiry(0), .. } => 2,
        Request::Meta(meta) if meta.verb == MetaVerb::Get => Flags::read(meta).steps().len(),
        _ => 1,
    }
}

/// Writes `request`, which must be [`is_supported`], as one command or several.
pub fn encode_request(request: &Request, how: Dictation, out: &mut Outbox) {
    debug_assert!(is_supported(request), "not for Redis: {request:?}");
    match request {
        Request::Read(read) => encode_read(read, out),
        Request::Store(store) => encode_store(store, how, out),
        Request::Delete(key) => encode_command(&[b"UNLINK", key.as_bytes()], out),
        Request::Arithmetic(arithmetic) => encode_arithmetic(arithmetic, how, out),
        Request::Touch { key, expiry } => encode_touch(key, (*expiry).into(), out),
        Request::Meta(meta) => encode_meta(meta, how, out),
        Request::Lease(meta) => lease::encode(meta, how, out),
        Request::FlushAll { .. } => encode_command(&[b"FLUSHDB"], out),
    }
}

/// The words of each command that [`encode_request`] wrote, for those who have another way to send them.
#[must_use]
pub fn words_of(bytes: Bytes) -> Vec<Vec<Bytes>> {
    let (mut elements, mut buffer, mut commands) = (Elements::new(usize::MAX), BytesMut::from(bytes), Vec::new());
    loop {
        let mut read = 0;
        let element = elements.next(&mut buffer, &mut read);
        buffer.advance(read);
        match (element, commands.last_mut()) {
            (Ok(Some(Element::Array(len))), _) => commands.push(Vec::with_capacity(len)),
            (Ok(Some(Element::Bulk(Some(word)))), Some(command)) => command.push(word),
            _ => return commands,
        }
    }
}

/// Writes one command.
#[inline]
pub fn encode_command(words: &[&[u8]], out: &mut Outbox) {
    put_count(words.len(), out);
    words.iter().for_each(|word| put_argument(word, out));
}

/// Opens a command of so many words.
#[inline]
pub(super) fn put_count(count: usize, out: &mut Outbox) {
    out.put(b"*");
    out.put_number(count as u64);
    out.put(b"\r\n");
}

/// One word of a command.
#[inline]
pub(super) fn put_argument(word: &[u8], out: &mut Outbox) {
    out.put(b"$");
    out.put_number(word.len() as u64);
    out.put(b"\r\n");
    out.put(word);
    out.put(b"\r\n");
}

pub(super) fn put_integer(number: i32, out: &mut Outbox) {
    put_argument(itoa::Buffer::new().format(number).as_bytes(), out);
}

/// A value, with its flags before it where it has any. Large values are linked, not copied.
pub(super) fn put_stored(flags: u32, value: &Bytes, out: &mut Outbox) {
    let head = envelope::head(flags, value);
    let head = head.as_ref().map_or(&[][..], |head| head);
    out.put(b"$");
    out.put_number((head.len() + value.len()) as u64);
    out.put(b"\r\n");
    out.put(head);
    out.put_bytes(value.clone());
    out.put(b"\r\n");
}

#[inline]
fn encode_read(read: &Read, out: &mut Outbox) {
    let keys = read.keys.as_slice();
    if let Some(expiry) = read.touch {
        return keys.iter().for_each(|key| encode_read_and_touch(key, expiry.into(), out));
    }
    if let [key] = keys {
        return encode_command(&[b"GET", key.as_bytes()], out);
    }
    put_count(keys.len() + 1, out);
    put_argument(b"MGET", out);
    keys.iter().for_each(|key| put_argument(key.as_bytes(), out));
}

fn encode_read_and_touch(key: &Key, life: Life, out: &mut Outbox) {
    match life.option() {
        None => encode_command(&[b"GETEX", key.as_bytes(), b"PERSIST"], out),
        Some((option, number)) => {
            put_count(4, out);
            put_argument(b"GETEX", out);
            put_argument(key.as_bytes(), out);
            put_argument(option, out);
            put_integer(number, out);
        }
    }
}

/// `PERSIST` says nothing of an item that lives for ever already, so that it is asked for too.
fn encode_touch(key: &Key, life: Life, out: &mut Outbox) {
    match life.command() {
        (command, Some(number)) => {
            put_count(3, out);
            put_argument(command, out);
            put_argument(key.as_bytes(), out);
            put_integer(number, out);
        }
        (command, None) => {
            encode_command(&[command, key.as_bytes()], out);
            encode_command(&[b"EXISTS", key.as_bytes()], out);
        }
    }
}

#[inline]
fn encode_store(store: &Store, how: Dictation, out: &mut Outbox) {
    let life = Life::from(store.expiry);
    let (key, value) = (&store.key, &store.value);
    match store.mode {
        StoreMode::Set => encode_set(key, store.flags, value, life, None, out),
        StoreMode::Add => encode_set(key, store.flags, value, life, Some(b"NX"), out),
        StoreMode::Replace => encode_set(key, store.flags, value, life, Some(b"XX"), out),
        StoreMode::Cas(token) => encode_swap(key, token, store.flags, value, life, how, out),
        StoreMode::Append => encode_extend(key, true, value, None, false, how, out),
        StoreMode::Prepend => encode_extend(key, false, value, None, false, how, out),
    }
}

fn encode_set(key: &Key, flags: u32, value: &Bytes, life: Life, condition: Option<&[u8]>, out: &mut Outbox) {
    let life = life.option();
    put_count(3 + 2 * usize::from(life.is_some()) + usize::from(condition.is_some()), out);
    put_argument(b"SET", out);
    put_argument(key.as_bytes(), out);
    put_stored(flags, value, out);
    if let Some((option, number)) = life {
        put_argument(option, out);
        put_integer(number, out);
    }
    if let Some(condition) = condition {
        put_argument(condition, out);
    }
}

/// Opens the call of `script` for `key` with so many arguments, which follow.
fn put_call(script: Script, key: &Key, arguments: usize, how: Dictation, out: &mut Outbox) {
    put_count(4 + arguments, out);
    let (command, name): (&[u8], &str) = match how.whole {
        false => (b"EVALSHA", script.name()),
        true => (b"EVAL", script.body()),
    };
    put_argument(command, out);
    put_argument(name.as_bytes(), out);
    put_argument(b"1", out);
    put_argument(key.as_bytes(), out);
}

/// A token that a script is to insist on; an empty word for none.
fn put_token(token: Option<u64>, out: &mut Outbox) {
    put_argument(token.map(envelope::token_text).unwrap_or_default().as_bytes(), out);
}

fn encode_swap(key: &Key, token: u64, flags: u32, value: &Bytes, life: Life, how: Dictation, out: &mut Outbox) {
    let life = life.option();
    put_call(Script::Swap, key, 2 + 2 * usize::from(life.is_some()), how, out);
    put_token(Some(token), out);
    put_stored(flags, value, out);
    if let Some((option, number)) = life {
        put_argument(option, out);
        put_integer(number, out);
    }
}

fn encode_extend(
    key: &Key,
    behind: bool,
    value: &Bytes,
    token: Option<u64>,
    new_token: bool,
    how: Dictation,
    out: &mut Outbox,
) {
    put_call(Script::Extend, key, 5, how, out);
    put_argument(if behind { b"a" } else { b"p" }, out);
    out.put(b"$");
    out.put_number(value.len() as u64);
    out.put(b"\r\n");
    out.put_bytes(value.clone());
    out.put(b"\r\n");
    let most = how.value_size.saturating_sub(ITEM + key.as_bytes().len());
    put_argument(itoa::Buffer::new().format(most).as_bytes(), out);
    put_token(token, out);
    put_argument(if new_token { b"c" } else { b"" }, out);
}

fn encode_arithmetic(arithmetic: &Arithmetic, how: Dictation, out: &mut Outbox) {
    put_call(Script::Count, &arithmetic.key, 3, how, out);
    put_step(arithmetic.decrement, arithmetic.delta, out);
    put_token(None, out);
}

fn put_step(decrement: bool, delta: u64, out: &mut Outbox) {
    put_argument(if decrement { b"-" } else { b"+" }, out);
    put_argument(format!("{delta:020}").as_bytes(), out);
}

fn encode_meta(meta: &Meta, how: Dictation, out: &mut Outbox) {
    let flags = Flags::read(meta);
    let key = &meta.key;
    match meta.verb {
        MetaVerb::Get => flags.steps().iter().for_each(|step| match (step, flags.life) {
            (Step::Value, None) => encode_command(&[b"GET", key.as_bytes()], out),
            (Step::Value, Some(life)) => encode_read_and_touch(key, life, out),
            (Step::Life, _) => encode_command(&[b"TTL", key.as_bytes()], out),
        }),
        MetaVerb::Set => encode_meta_set(meta, &flags, how, out),
        MetaVerb::Delete => match flags.token {
            None => encode_command(&[b"UNLINK", key.as_bytes()], out),
            token => {
                put_call(Script::Remove, key, 1, how, out);
                put_token(token, out);
            }
        },
        MetaVerb::Arithmetic => encode_meta_arithmetic(key, &flags, how, out),
        MetaVerb::Debug => {}
    }
}

fn encode_meta_set(meta: &Meta, flags: &Flags, how: Dictation, out: &mut Outbox) {
    let (key, value) = (&meta.key, &meta.value);
    let life = flags.life.unwrap_or(Life::Endless);
    if let Some(token) = flags.swaps() {
        return encode_swap(key, token, flags.client_flags, value, life, how, out);
    }
    if let Some(behind) = flags.extends() {
        return encode_extend(key, behind, value, flags.demanded_token(), flags.new_token, how, out);
    }
    let condition: Option<&[u8]> = match flags.mode {
        Some(b'E') => Some(b"NX"),
        Some(b'R') => Some(b"XX"),
        _ => None,
    };
    encode_set(key, flags.client_flags, value, life, condition, out);
}

fn encode_meta_arithmetic(key: &Key, flags: &Flags, how: Dictation, out: &mut Outbox) {
    put_call(Script::Count, key, 10, how, out);
    put_step(flags.decrements(), flags.delta.unwrap_or(1), out);
    put_token(flags.demanded_token(), out);
    put_argument(if flags.new_token { b"c" } else { b"" }, out);
    put_argument(&flags.order, out);
    put_life(flags.life, out);
    put_life(flags.newborn, out);
    put_argument(itoa::Buffer::new().format(flags.initial).as_bytes(), out);
}

/// The command that gives a life and its number, each empty where there is none.
fn put_life(life: Option<Life>, out: &mut Outbox) {
    let (command, number) = life.map_or((&b""[..], None), Life::command);
    put_argument(command, out);
    match number {
        Some(number) => put_integer(number, out),
        None => put_argument(b"", out),
    }
}
