//! What of a random case can be compared between memcached and ketch over a Redis server.
//!
//! What is taken out, each with its reason; `config/redis.yaml` tells the same to users, `tests/redis/answers.rs` and
//! `tests/redis/interop.rs` hold most of it:
//! - `me`, flags that Redis pools refuse, and a flush that is put off: answered `CLIENT_ERROR unsupported …`.
//! - Bursts of malformed bytes: the same front answers them, and it is compared over memcached.
//! - `k` of `mg`: memcached knows how the key of the item came, Redis does not.
//! - Numbers are not appended to, nor swapped under a token, nor given a life while they are counted: memcached pads
//!   a number with blanks, which show when something is put behind them; a number that came back to what it was has
//!   its old token on Redis; and memcached gives the life to the item that it has just replaced.
//! - `t` beside a `T` in the past, and an `N` in the past: the item is gone before Redis is asked for its life.
//!
//! What is changed: every value of a text key gets a number of its own, since a token on Redis is that of a value and
//! not of a write. A flush waits for what was said before it and is waited for: a cluster does not keep it in line with
//! what is pipelined around it.

use super::case::{Burst, Case, Command, Ending, PREFIX, Word};

/// Every flag that memcached knows.
const KNOWN: &[u8] = b"bNTRlOPLkstcfvhuqFCMJDIEx";

/// Times to live that leave an item alive for a while.
const ALIVE: &[&[u8]] = &[b"0", b"1000", b"+1000", b"99999", b"100000", b"2592000", b"2147483647"];

/// The case with what can be compared.
pub fn comparable(mut case: Case) -> Case {
    let prefix = case.prefix;
    case.bursts.retain(|burst| burst.ending == Ending::Barrier);
    let mut number = 0;
    for burst in &mut case.bursts {
        burst.commands.retain_mut(|command| keep(command, &prefix));
        for command in burst.commands.iter_mut().filter(|command| !is_number(command, &prefix)) {
            number += 1;
            command.body.iter_mut().for_each(|body| body.extend_from_slice(format!("#{number}").as_bytes()));
        }
    }
    case.bursts = case.bursts.into_iter().flat_map(apart).collect();
    case
}

/// A burst in which every flush stands alone.
fn apart(burst: Burst) -> Vec<Burst> {
    let is_flush = |command: &Command| matches!(&command.words[0], Word::Bytes(verb) if verb == b"flush_all");
    let groups = burst.commands.chunk_by(|one, next| !is_flush(one) && !is_flush(next));
    groups.map(|commands| Burst { commands: commands.to_vec(), ending: burst.ending }).collect()
}

/// Takes out of a command what cannot be compared; false where that is all of it.
fn keep(command: &mut Command, prefix: &[u8; PREFIX]) -> bool {
    let is_number = is_number(command, prefix);
    let [Word::Bytes(verb), rest @ ..] = &mut command.words[..] else { return false };
    let verb = verb.clone();
    match (&verb[..], rest) {
        (b"me", _) => false,
        (b"flush_all", [Word::Bytes(delay), ..]) => delay != b"-99",
        (b"append" | b"prepend" | b"cas", _) => !is_number,
        (b"mg", _) => keep_flags(command, b"bcfOqstTvPL", 2, is_number),
        (b"ms", _) => keep_flags(command, b"bcCFkMOqTPL", 3, is_number),
        (b"md", _) => keep_flags(command, b"bCkOqPL", 2, is_number),
        (b"ma", _) => keep_flags(command, b"bcCDJkMNOqtvPL", 2, is_number),
        // A line that is only an end, or one for the parser.
        ([b'\r' | b'\n', ..], []) => true,
        _ => !verb.iter().any(|byte| matches!(byte, b'\r' | b'\n')),
    }
}

fn keep_flags(command: &mut Command, flags: &[u8], head: usize, is_number: bool) -> bool {
    let letter = |word: &Word| match word {
        Word::Bytes(bytes) => bytes.first().copied(),
        Word::Cas { letter, .. } => *letter,
        Word::Length => None,
    };
    let has = |command: &Command, wanted| command.words.iter().skip(head).any(|word| letter(word) == Some(wanted));
    let argument = |wanted: u8| {
        command.words.iter().skip(head).find_map(|word| match word {
            Word::Bytes(bytes) if bytes.first() == Some(&wanted) => Some(bytes[1..].to_vec()),
            _ => None,
        })
    };
    let extends = argument(b'M').is_some_and(|mode| matches!(&mode[..], b"A" | b"P"));
    if is_number && (has(command, b'C') || extends) {
        return false;
    }
    let is_past = |letter| argument(letter).is_some_and(|life| !ALIVE.contains(&&life[..]));
    let (is_gone, is_stillborn) = (is_past(b'T'), is_past(b'N'));
    let mut at = 0;
    command.words.retain(|word| {
        at += 1;
        at <= head
            || letter(word).is_none_or(|letter| {
                let is_told = !(letter == b't' && is_gone || letter == b'N' && is_stillborn);
                is_told && (flags.contains(&letter) || !KNOWN.contains(&letter))
            })
    });
    true
}

/// Whether the key is one of numbers.
fn is_number(command: &Command, prefix: &[u8; PREFIX]) -> bool {
    let tails: [&[u8]; 2] = [b"n", b"n1"];
    match command.words.get(1) {
        Some(Word::Bytes(key)) => key.strip_prefix(prefix).is_some_and(|tail| tails.contains(&tail)),
        _ => false,
    }
}
