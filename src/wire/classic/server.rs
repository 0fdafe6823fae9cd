//! Commands that are about the server, not an item.

use std::rc::Rc;

use bytes::Bytes;

use super::{BAD_EXPTIME, BAD_FORMAT, ERROR, is_silent, refuse};
use crate::model::{Expiry, Request};
use crate::wire::command::{Closing, Command, Spelling};
use crate::wire::number;
use crate::wire::word::{Arguments, MOST_WORDS, Words};

/// memcached's slab classes are numbered below this.
const SLAB_CLASSES: u32 = 64;

/// The command `name`, or the answer to one that memcached or ketch does not have.
pub fn parse(name: &[u8], words: Words<'_>) -> Command {
    match name {
        b"flush_all" => flush_all(words),
        b"version" => Command::Version,
        b"verbosity" => verbosity(words),
        b"stats" => stats(words),
        b"quit" => Command::Quit,
        b"shutdown" => Command::Refuse(b"ERROR: shutdown not enabled"),
        // These would watch or change one server of many.
        b"cache_memlimit" | b"extstore" | b"lru" | b"lru_crawler" | b"slabs" | b"watch" => Command::Refuse(ERROR),
        _ if is_http(name, words) => Command::Close(Closing::Http),
        _ => Command::Refuse(ERROR),
    }
}

/// `flush_all [delay] [noreply]`.
fn flush_all(words: Words<'_>) -> Command {
    let Some(arguments) = Arguments::<2>::new(words) else { return Command::Refuse(ERROR) };
    let arguments = arguments.as_slice();
    let silent = is_silent(arguments);
    let delay = match arguments {
        [] => None,
        [_] if silent => None,
        [delay, ..] => match number::signed32(delay) {
            Some(delay) => Some(Expiry(delay)),
            None => return refuse(BAD_EXPTIME, silent),
        },
    };
    Command::Ask {
        request: Rc::new(Request::FlushAll { delay }),
        spelling: if silent { Spelling::Silent } else { Spelling::Line },
    }
}

/// `verbosity <level> [noreply]`.
fn verbosity(words: Words<'_>) -> Command {
    let Some(arguments) = Arguments::<2>::new(words) else { return Command::Refuse(ERROR) };
    let Some(level) = arguments.as_slice().first() else { return Command::Refuse(ERROR) };
    match (number::unsigned32(level), is_silent(arguments.as_slice())) {
        (None, silent) => refuse(BAD_FORMAT, silent),
        (Some(_), true) => Command::Silence,
        (Some(_), false) => Command::Verbosity,
    }
}

/// `stats [what]`: words that count for nothing are dropped, and so are errors told that need no figures.
fn stats(mut words: Words<'_>) -> Command {
    let rest = words.clone();
    let what = words.next().unwrap_or_default();
    match (what, words.next(), words.next()) {
        (b"detail", Some(b"on" | b"off" | b"dump"), _) => Command::Stats(join(rest.take(2))),
        (b"detail", _, _) => Command::Refuse(b"CLIENT_ERROR usage: stats detail on|off|dump"),
        (b"cachedump", Some(class), Some(limit)) => match (number::unsigned32(class), number::unsigned32(limit)) {
            (Some(0..SLAB_CLASSES), Some(_)) => Command::Stats(join(rest.take(1))),
            (Some(_), Some(_)) => Command::Refuse(b"CLIENT_ERROR Illegal slab id"),
            _ => Command::Refuse(BAD_FORMAT),
        },
        (b"cachedump", _, _) => Command::Refuse(b"CLIENT_ERROR bad command line"),
        _ => Command::Stats(join(rest.take(1))),
    }
}

fn join<'a>(words: impl Iterator<Item = &'a [u8]>) -> Bytes {
    Bytes::from(words.collect::<Vec<_>>().join(&b' '))
}

/// memcached hangs up on a browser, unless it takes the first letter for one of its own commands.
fn is_http(name: &[u8], words: Words<'_>) -> bool {
    let last = words.take(MOST_WORDS - 1).last().unwrap_or(name);
    name.len() >= 2 && !b"gsacidt".contains(&name[0]) && last.starts_with(b"HTTP/")
}
