//! `get`, `gets`, `gat`, `gats`.

use super::{BAD_EXPTIME, BAD_FORMAT, ERROR};
use crate::model::{Expiry, Key, Keys, Read, Request};
use crate::wire::command::{Command, Spelling};
use crate::wire::number;
use crate::wire::word::Words;

/// Room for so many keys is taken at once; more take it as they come.
const FIRST_ROOM: usize = 64;

/// `get` and `gets`.
#[inline]
pub fn get(words: Words<'_>, cas: bool) -> Command {
    match keys(words) {
        Ok(Some(keys)) => read(keys, cas, None),
        Ok(None) => Command::Refuse(ERROR),
        Err(command) => command,
    }
}

/// `gat` and `gats`.
pub fn get_and_touch(mut words: Words<'_>, cas: bool) -> Command {
    let Some(expiry) = words.next() else { return Command::Refuse(ERROR) };
    let Some(expiry) = number::signed32(expiry) else { return Command::Refuse(BAD_EXPTIME) };
    match keys(words) {
        Ok(Some(keys)) => read(keys, cas, Some(Expiry(expiry))),
        // memcached finds nothing among no keys.
        Ok(None) => Command::Refuse(b"END"),
        Err(command) => command,
    }
}

#[inline]
fn read(keys: Keys, cas: bool, touch: Option<Expiry>) -> Command {
    let spelling = Spelling::Read { keys: keys.clone(), cas };
    Command::Ask { request: Request::Read(Read { keys, cas, touch }), spelling }
}

/// The keys of a line. One too long among them, and memcached answers that instead of anything it found.
#[inline]
fn keys(mut words: Words<'_>) -> Result<Option<Keys>, Command> {
    let Some(first) = words.next() else { return Ok(None) };
    let first = key(first)?;
    let Some(second) = words.next() else { return Ok(Some(Keys::One(first))) };
    let mut keys = Vec::with_capacity(FIRST_ROOM);
    keys.push(first);
    keys.push(key(second)?);
    for word in words {
        keys.push(key(word)?);
    }
    Ok(Some(Keys::Many(keys.into())))
}

#[inline]
fn key(word: &[u8]) -> Result<Key, Command> {
    Key::new(word).map_err(|_| Command::Refuse(BAD_FORMAT))
}
