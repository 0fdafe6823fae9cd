//! `set`, `add`, `replace`, `append`, `prepend`, `cas`.

use std::rc::Rc;

use super::{BAD_FORMAT, ERROR, is_silent, refuse};
use crate::model::{Expiry, Key, MAX_KEY, Request, StoreMode};
use crate::wire::command::{Command, Spelling};
use crate::wire::decoder::{Awaited, Head, Parsed, TOO_LARGE, too_large};
use crate::wire::number;
use crate::wire::word::{Arguments, Words, word_len};

/// The commonest store by far, a `set` with nothing odd about it, at the front of `input`, and how long its line is with
/// its end. `None` for all others, and while there is no end: they are looked at with more care.
#[inline]
pub fn plain_set(input: &[u8], value_size: usize) -> Option<(Awaited, usize)> {
    let word = input.strip_prefix(b"set ")?;
    let (key, rest) = word.split_at(word_len(&word[..word.len().min(MAX_KEY + 1)]));
    let (flags, rest) = number::leading(rest.strip_prefix(b" ")?)?;
    let (expiry, rest) = number::leading(rest.strip_prefix(b" ")?)?;
    let (len, rest) = number::leading(rest.strip_prefix(b" ")?)?;
    let rest = rest.strip_prefix(b"\r\n")?;
    let (flags, expiry) = (u32::try_from(flags).ok()?, Expiry(i32::try_from(expiry).ok()?));
    let (key, len) = (Key::new(key).ok()?, number::length(i32::try_from(len).ok()?)?);
    if too_large(&key, flags, len, value_size) {
        return None;
    }
    let head = Head::Classic { mode: StoreMode::Set, key, flags, expiry, silent: false };
    Some((Awaited { head, len }, input.len() - rest.len()))
}

/// Every storage command but `cas`: `<key> <flags> <exptime> <bytes> [noreply]`.
#[inline]
pub fn store(mode: StoreMode, words: Words<'_>, value_size: usize) -> Parsed {
    match Arguments::<5>::new(words) {
        Some(arguments) if arguments.as_slice().len() >= 4 => head(mode, arguments.as_slice(), value_size),
        _ => Command::Refuse(ERROR).into(),
    }
}

/// `cas <key> <flags> <exptime> <bytes> <token> [noreply]`.
pub fn compare_and_store(words: Words<'_>, value_size: usize) -> Parsed {
    match Arguments::<6>::new(words) {
        Some(arguments) if arguments.as_slice().len() >= 5 => head(StoreMode::Cas(0), arguments.as_slice(), value_size),
        _ => Command::Refuse(ERROR).into(),
    }
}

#[inline]
fn head(mode: StoreMode, arguments: &[&[u8]], value_size: usize) -> Parsed {
    let silent = is_silent(arguments);
    let Some((head, len)) = numbers(mode, arguments) else { return refuse(BAD_FORMAT, silent).into() };
    let Numbers { mode, key, flags, expiry } = head;
    if !too_large(&key, flags, len, value_size) {
        return Parsed::Awaits(Awaited { head: Head::Classic { mode, key, flags, expiry, silent }, len });
    }
    // Only after a `set` does memcached forget the old item.
    let command = match mode {
        StoreMode::Set => Command::Ask {
            request: Rc::new(Request::Delete(key)),
            spelling: if silent { Spelling::Silent } else { Spelling::Says(TOO_LARGE) },
        },
        _ => refuse(TOO_LARGE, silent),
    };
    Parsed::Swallows(command, len + 2)
}

struct Numbers {
    mode: StoreMode,
    key: Key,
    flags: u32,
    expiry: Expiry,
}

/// What the line says, and the value's length.
#[inline]
fn numbers(mode: StoreMode, arguments: &[&[u8]]) -> Option<(Numbers, usize)> {
    let key = Key::new(arguments[0]).ok()?;
    let flags = number::unsigned32(arguments[1])?;
    let expiry = Expiry(number::signed32(arguments[2])?);
    let len = number::signed32(arguments[3])?;
    let mode = match mode {
        StoreMode::Cas(_) => StoreMode::Cas(number::unsigned64(arguments[4])?),
        mode => mode,
    };
    Some((Numbers { mode, key, flags, expiry }, number::length(len)?))
}
