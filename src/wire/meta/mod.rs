//! The meta commands: `mg`, `ms`, `md`, `ma`, `mn`, `me`.
//!
//! What does not depend on the item is judged here, so that every kind of node gives memcached's answer to it;
//! the rest goes to the node as it was typed.

mod answer;
mod base64;
mod flags;

use std::rc::Rc;

use bytes::Bytes;

use self::flags::Flags;
use super::command::{Command, Spelling};
use super::decoder::{Awaited, Head, Parsed, TOO_LARGE, too_large};
use super::number;
use super::word::{Arguments, Words};
use crate::model::{Key, MAX_KEY, Meta, MetaVerb, Request};

pub use self::answer::AnswerLine;
pub use self::base64::encode as encode_base64;

const ERROR: &[u8] = b"ERROR";
const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format";
const TOO_MANY: &[u8] = b"CLIENT_ERROR options flags too long";
const LONG_OPAQUE: &[u8] = b"CLIENT_ERROR opaque token too long";

/// A key and what stands behind it: memcached takes 19 words in all, the command's name among them.
type MetaWords<'a> = Arguments<'a, 18>;

/// The command `m` with its second letter.
pub fn parse(letter: u8, words: Words<'_>, value_size: usize) -> Parsed {
    let verb = match letter {
        b'g' => MetaVerb::Get,
        b's' => return set(words, value_size),
        b'd' => MetaVerb::Delete,
        b'a' => MetaVerb::Arithmetic,
        b'e' => return debug(words).unwrap_or_else(Command::Refuse).into(),
        b'n' => return Command::MetaNoop.into(),
        _ => return Command::Refuse(ERROR).into(),
    };
    without_value(verb, words).unwrap_or_else(Command::Refuse).into()
}

/// `mg`, `md`, `ma`: `<key> <flags>*`.
fn without_value(verb: MetaVerb, words: Words<'_>) -> Result<Command, &'static [u8]> {
    let token = words.clone().next().ok_or(ERROR)?;
    if token.len() > MAX_KEY {
        return Err(BAD_FORMAT);
    }
    let is_get = verb == MetaVerb::Get;
    let words =
        MetaWords::new(words).ok_or(if is_get { b"CLIENT_ERROR options flags are too long" } else { TOO_MANY })?;
    let flags = Flags::read(verb, token, &words.as_slice()[1..]).map_err(|line| match verb {
        MetaVerb::Get => line,
        _ => b"CLIENT_ERROR invalid or duplicate flag",
    })?;
    if verb == MetaVerb::Arithmetic && !matches!(flags.mode, None | Some(b'I' | b'+' | b'D' | b'-')) {
        return Err(b"CLIENT_ERROR invalid mode for ma M token");
    }
    // Reads and arithmetic find out too late, when the item is touched or counted already.
    let spelling = match flags.opaque_is_long {
        true if verb == MetaVerb::Delete => return Err(LONG_OPAQUE),
        true => Spelling::Says(LONG_OPAQUE),
        false => Spelling::Meta { verb, quiet: flags.quiet },
    };
    let meta = flags.into_meta(verb, token)?;
    Ok(Command::Ask { request: Rc::new(Request::Meta(Box::new(meta))), spelling })
}

/// `ms <key> <size> <flags>*`. From the point where the size is known, a refused value is swallowed.
fn set(words: Words<'_>, value_size: usize) -> Parsed {
    let (token, len, words) = match set_line(words) {
        Ok(line) => line,
        Err(line) => return Command::Refuse(line).into(),
    };
    let swallow = |command| Parsed::Swallows(command, len + 2);
    let head = Flags::read(MetaVerb::Set, token, &words.as_slice()[2..]).and_then(|flags| {
        if !matches!(flags.mode, None | Some(b'E' | b'A' | b'P' | b'R' | b'S')) {
            return Err(&b"CLIENT_ERROR invalid mode for ms M token"[..]);
        }
        if flags.opaque_is_long {
            return Err(LONG_OPAQUE);
        }
        let (quiet, client_flags) = (flags.quiet, flags.client_flags);
        Ok((flags.into_meta(MetaVerb::Set, token)?, quiet, client_flags))
    });
    match head {
        Err(line) => swallow(Command::Refuse(line)),
        Ok((meta, _, client_flags)) if too_large(&meta.key, client_flags, len, value_size) => {
            swallow(Command::Ask { request: Rc::new(Request::Delete(meta.key)), spelling: Spelling::Says(TOO_LARGE) })
        }
        Ok((meta, quiet, _)) => Parsed::Awaits(Awaited { head: Head::Meta { meta: Box::new(meta), quiet }, len }),
    }
}

/// The key, the value's length, and all words behind the command's name.
fn set_line<'a>(words: Words<'a>) -> Result<(&'a [u8], usize, MetaWords<'a>), &'static [u8]> {
    let mut first = words.clone();
    let token = first.next().ok_or(ERROR)?;
    let size = first.next();
    if token.len() > MAX_KEY {
        return Err(BAD_FORMAT);
    }
    let size = size.ok_or(BAD_FORMAT)?;
    let words = MetaWords::new(words).ok_or(TOO_MANY)?;
    let len = number::signed32(size).and_then(number::length).ok_or(BAD_FORMAT)?;
    Ok((token, len, words))
}

/// `me <key> [b]`: what stands behind is not looked at.
fn debug(mut words: Words<'_>) -> Result<Command, &'static [u8]> {
    let token = words.next().filter(|token| token.len() <= MAX_KEY).ok_or(BAD_FORMAT)?;
    let is_base64 = words.next() == Some(b"b");
    let key = match is_base64 {
        true => base64::decode(token).and_then(|bytes| Key::new(&bytes).ok()),
        false => Key::new(token).ok(),
    };
    let meta = Meta {
        verb: MetaVerb::Debug,
        // A node might say such a key raw, and the rest of it would pass for the answer to another request.
        key: key.filter(|key| !key.as_bytes().contains(&b'\n')).ok_or(BAD_FORMAT)?,
        token: Bytes::copy_from_slice(token),
        flags: if is_base64 { Bytes::from_static(b"b") } else { Bytes::new() },
        value: Bytes::new(),
    };
    let spelling = Spelling::Meta { verb: MetaVerb::Debug, quiet: false };
    Ok(Command::Ask { request: Rc::new(Request::Meta(Box::new(meta))), spelling })
}
