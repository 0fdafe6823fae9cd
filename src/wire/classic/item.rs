//! `delete`, `incr`, `decr`, `touch`.

use std::rc::Rc;

use super::{BAD_EXPTIME, BAD_FORMAT, ERROR, is_silent, refuse};
use crate::model::{Arithmetic, Expiry, Key, Request};
use crate::wire::command::{Command, Spelling};
use crate::wire::number;
use crate::wire::word::{Arguments, Words};

/// `delete <key> [0] [noreply]`.
pub fn delete(words: Words<'_>) -> Command {
    const USAGE: &[u8] = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
    let Some(arguments) = Arguments::<3>::new(words) else { return Command::Refuse(ERROR) };
    let Some((key, rest)) = arguments.as_slice().split_first() else { return Command::Refuse(ERROR) };
    let silent = is_silent(rest);
    if !matches!(rest, [] | [b"0" | b"noreply"] | [b"0", b"noreply"]) {
        return refuse(USAGE, silent);
    }
    match Key::new(key) {
        Ok(key) => ask(Request::Delete(key), silent),
        Err(_) => refuse(BAD_FORMAT, silent),
    }
}

/// `incr <key> <delta> [noreply]` and `decr`.
pub fn arithmetic(words: Words<'_>, decrement: bool) -> Command {
    let Some((key, delta, silent)) = two(&words) else { return Command::Refuse(ERROR) };
    let Ok(key) = Key::new(key) else { return refuse(BAD_FORMAT, silent) };
    let Some(delta) = number::unsigned64(delta) else {
        return refuse(b"CLIENT_ERROR invalid numeric delta argument", silent);
    };
    ask(Request::Arithmetic(Box::new(Arithmetic { key, decrement, delta })), silent)
}

/// `touch <key> <exptime> [noreply]`.
pub fn touch(words: Words<'_>) -> Command {
    let Some((key, expiry, silent)) = two(&words) else { return Command::Refuse(ERROR) };
    let Ok(key) = Key::new(key) else { return refuse(BAD_FORMAT, silent) };
    let Some(expiry) = number::signed32(expiry) else { return refuse(BAD_EXPTIME, silent) };
    ask(Request::Touch { key, expiry: Expiry(expiry) }, silent)
}

/// A key and a number, with whether the client wants no reply; a third word that is not `noreply` counts for nothing.
fn two<'a>(words: &Words<'a>) -> Option<(&'a [u8], &'a [u8], bool)> {
    let arguments = Arguments::<3>::new(words.clone())?;
    let silent = is_silent(arguments.as_slice());
    match arguments.as_slice() {
        [key, number] | [key, number, _] => Some((key, number, silent)),
        _ => None,
    }
}

fn ask(request: Request, silent: bool) -> Command {
    Command::Ask { request: Rc::new(request), spelling: if silent { Spelling::Silent } else { Spelling::Line } }
}
