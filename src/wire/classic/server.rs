//! Commands that are about the server, not an item.

use bytes::BytesMut;

use super::{BAD_EXPTIME, BAD_FORMAT, ERROR, is_silent, refuse};
use crate::model::{Expiry, Request};
use crate::wire::command::{Closing, Command, Spelling};
use crate::wire::number;
use crate::wire::word::{Arguments, MOST_WORDS, Words};

/// The command `name`, or the answer to one that memcached or ketch does not have.
pub fn parse(name: &[u8], words: Words<'_>) -> Command {
    match name {
        b"flush_all" => flush_all(words),
        b"version" => Command::Version,
        b"verbosity" => verbosity(words),
        b"stats" => stats(words),
        b"quit" => Command::Quit,
        b"shutdown" => Command::Refuse(b"ERROR: shutdown not enabled"),
        _ if is_http(name, words) => Command::Close(Closing::Http),
        // `cache_memlimit`, `lru`, `slabs`, `watch` and their like would change or watch one server of many.
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
        request: Request::FlushAll { delay },
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

/// `stats [what]…`.
fn stats(words: Words<'_>) -> Command {
    let mut argument = BytesMut::new();
    for word in words.take(MOST_WORDS - 1) {
        if !argument.is_empty() {
            argument.extend_from_slice(b" ");
        }
        argument.extend_from_slice(word);
    }
    Command::Stats(argument.freeze())
}

/// memcached hangs up on a browser, unless it takes the first letter for one of its own commands.
fn is_http(name: &[u8], words: Words<'_>) -> bool {
    let last = words.take(MOST_WORDS - 1).last().unwrap_or(name);
    name.len() >= 2 && !b"gsacidt".contains(&name[0]) && last.starts_with(b"HTTP/")
}
