//! The classic commands: one line, and for storage commands a value behind it.

mod item;
mod retrieval;
mod server;
mod storage;

use super::command::Command;
use super::decoder::Parsed;
use super::word::Words;
use crate::model::StoreMode;

pub use retrieval::plain_get;
pub use storage::plain_set;

const ERROR: &[u8] = b"ERROR";
const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format";
const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument";

/// The command `name` with what stands behind it.
#[inline]
pub fn parse(name: &[u8], words: Words<'_>, value_size: usize) -> Parsed {
    match name {
        b"get" | b"bget" => retrieval::get(words, false).into(),
        b"gets" => retrieval::get(words, true).into(),
        b"set" => storage::store(StoreMode::Set, words, value_size),
        b"gat" => retrieval::get_and_touch(words, false).into(),
        b"gats" => retrieval::get_and_touch(words, true).into(),
        b"add" => storage::store(StoreMode::Add, words, value_size),
        b"replace" => storage::store(StoreMode::Replace, words, value_size),
        b"append" => storage::store(StoreMode::Append, words, value_size),
        b"prepend" => storage::store(StoreMode::Prepend, words, value_size),
        b"cas" => storage::compare_and_store(words, value_size),
        b"delete" => item::delete(words).into(),
        b"incr" => item::arithmetic(words, false).into(),
        b"decr" => item::arithmetic(words, true).into(),
        b"touch" => item::touch(words).into(),
        _ => server::parse(name, words).into(),
    }
}

/// Nothing for a `noreply` command, `line` for any other.
fn refuse(line: &'static [u8], silent: bool) -> Command {
    if silent { Command::Silence } else { Command::Refuse(line) }
}

/// Whether the last word is `noreply`. memcached looks for it before it judges the others, and then keeps even
/// its error to itself.
fn is_silent(arguments: &[&[u8]]) -> bool {
    arguments.last().is_some_and(|word| *word == b"noreply")
}
