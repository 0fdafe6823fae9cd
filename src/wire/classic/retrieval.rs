//! `get`, `gets`, `gat`, `gats`.

use std::rc::Rc;

use super::{BAD_EXPTIME, BAD_FORMAT, ERROR};
use crate::model::{Expiry, Key, Keys, MAX_KEY, Read, Request};
use crate::wire::command::{Command, Spelling};
use crate::wire::number;
use crate::wire::word::{Words, word_len};

/// The commonest line by far, a `get` of one key with nothing odd about it, at the front of `input`, and how long it is
/// with its end. `None` for all others, and while there is no end: they are looked at with more care.
#[inline]
pub fn plain_get(input: &[u8]) -> Option<(Command, usize)> {
    const NAME: &[u8] = b"get ";
    let word = input.strip_prefix(NAME)?;
    let len = word_len(&word[..word.len().min(MAX_KEY + 1)]);
    let (word, end) = word.split_at(len);
    if !end.starts_with(b"\r\n") {
        return None;
    }
    let keys = Keys::One(Key::new(word).ok()?);
    Some((ask(Read { keys, cas: false, touch: None }), NAME.len() + len + 2))
}

/// `get` and `gets`. One key too long among the others, and memcached answers that instead of what it found.
#[inline]
pub fn get(words: Words<'_>, cas: bool) -> Command {
    match Named::read(words) {
        Named { is_whole: false, .. } => Command::Refuse(BAD_FORMAT),
        Named { keys: Some(keys), .. } => ask(Read { keys, cas, touch: None }),
        Named { keys: None, .. } => Command::Refuse(ERROR),
    }
}

/// `gat` and `gats`. The keys before one that is too long are touched all the same.
pub fn get_and_touch(mut words: Words<'_>, cas: bool) -> Command {
    let Some(expiry) = words.next() else { return Command::Refuse(ERROR) };
    let Some(expiry) = number::signed32(expiry) else { return Command::Refuse(BAD_EXPTIME) };
    let Named { keys, is_whole } = Named::read(words);
    let Some(keys) = keys else {
        // memcached finds nothing among no keys.
        return Command::Refuse(if is_whole { b"END" } else { BAD_FORMAT });
    };
    let read = Read { keys, cas, touch: Some(Expiry(expiry)) };
    match is_whole {
        true => ask(read),
        false => Command::Ask { request: Rc::new(Request::Read(read)), spelling: Spelling::Says(BAD_FORMAT) },
    }
}

#[inline]
fn ask(read: Read) -> Command {
    let request = Rc::new(Request::Read(read));
    Command::Ask { spelling: Spelling::Read(request.clone()), request }
}

/// The keys that a line names.
struct Named {
    keys: Option<Keys>,
    /// Whether these are all; otherwise the next one is too long.
    is_whole: bool,
}

impl Named {
    #[inline]
    fn read(mut words: Words<'_>) -> Self {
        let Some(first) = words.next() else { return Self { keys: None, is_whole: true } };
        let Ok(first) = Key::new(first) else { return Self { keys: None, is_whole: false } };
        let Some(second) = words.next() else { return Self { keys: Some(Keys::One(first)), is_whole: true } };
        Self::read_many(first, second, words)
    }

    fn read_many(first: Key, second: &[u8], words: Words<'_>) -> Self {
        let mut keys = Vec::with_capacity(2 + words.at_most());
        keys.push(first);
        for word in std::iter::once(second).chain(words) {
            let Ok(key) = Key::new(word) else { return Self { keys: Some(several(keys)), is_whole: false } };
            keys.push(key);
        }
        Self { keys: Some(several(keys)), is_whole: true }
    }
}

fn several(mut keys: Vec<Key>) -> Keys {
    match (keys.len(), keys.pop()) {
        (1, Some(key)) => Keys::One(key),
        (_, last) => {
            keys.extend(last);
            Keys::Many(keys.into())
        }
    }
}
