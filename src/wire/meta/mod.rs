//! The meta commands.

use super::command::{Command, Parsed};
use super::word::Words;

/// The command `m` with its second letter.
pub fn parse(letter: u8, _words: Words<'_>, _value_size: usize) -> Parsed {
    match letter {
        b'n' => Command::MetaNoop.into(),
        _ => Command::Refuse(b"ERROR").into(),
    }
}
