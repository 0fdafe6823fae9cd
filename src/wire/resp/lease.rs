//! The lease under which a key is handed over, on Redis: a marker key that stands beside it for a moment.
//!
//! Redis has no placeholder that a fill could be tied to, so that the marker holds the token of whoever fills, and
//! scripts look at both. A write of ketch's takes the marker away before it writes: then no fill lands behind it.

use super::element::Element;
use super::expiry::Life;
use super::meta::{self, Flags};
use super::request::{Dictation, encode_command, put_argument, put_count, put_integer, put_stored};
use super::script::Script;
use crate::model::{Key, MAX_KEY, Meta, MetaReply, MetaStatus, MetaVerb};
use crate::wire::{AnswerLine, Outbox, number};

/// How a marker begins.
const NAME: &[u8] = b"ketch:lease:";

/// Writes a step of a handover.
pub fn encode(meta: &Meta, how: Dictation, out: &mut Outbox) {
    let flags = Flags::read(meta);
    let marker = marker(&meta.key);
    match (meta.verb, flags.token) {
        (MetaVerb::Get, _) => {
            put_call(Script::Take, &meta.key, &marker, 2, how, out);
            put_argument(&opaque(meta), out);
            put_argument(format!("{}", 1000 * u64::from(life(meta))).as_bytes(), out);
        }
        (MetaVerb::Set, token) => {
            let life = flags.life.unwrap_or(Life::Endless).option();
            put_call(Script::Fill, &meta.key, &marker, 2 + 2 * usize::from(life.is_some()), how, out);
            put_argument(token.unwrap_or_default().to_string().as_bytes(), out);
            put_stored(flags.client_flags, &meta.value, out);
            if let Some((option, number)) = life {
                put_argument(option, out);
                put_integer(number, out);
            }
        }
        (_, Some(token)) => {
            put_call(Script::Drop, &meta.key, &marker, 1, how, out);
            put_argument(token.to_string().as_bytes(), out);
        }
        (_, None) => encode_command(&[b"UNLINK", &marker], out),
    }
}

/// What was heard, as memcached would say it; `None` for garbage.
pub fn answer(meta: &Meta, heard: &[Element]) -> Option<MetaReply> {
    let mut line = AnswerLine::default();
    match (meta.verb, heard) {
        (MetaVerb::Get, [Element::Integer(0)]) => {
            line.number(b's', 0);
            line.number(b't', life(meta).into());
            line.number(b'c', number::unsigned64(&opaque(meta))?);
            line.word(b"W");
        }
        (MetaVerb::Get, [Element::Integer(1)]) => {
            line.number(b's', 1);
            line.word(b"t-1");
            line.number(b'c', 0);
        }
        (MetaVerb::Get, [Element::Integer(2), Element::Integer(left)]) => {
            line.number(b's', 0);
            line.life(meta::life((left + 999) / 1000));
            line.number(b'c', 0);
            line.word(b"Z");
        }
        (MetaVerb::Get, _) => return None,
        (MetaVerb::Set, [Element::Integer(0)]) => return Some(line.reply(MetaStatus::Exists)),
        (_, [Element::Integer(0)]) => return Some(line.reply(MetaStatus::NotFound)),
        (_, [Element::Integer(1)]) => {}
        _ => return None,
    }
    Some(line.reply(MetaStatus::Done))
}

/// The marker of a key. It is longer than any key that comes through ketch, so that it is none; the dots, as many as
/// the key is short of the longest, keep the markers of two keys apart.
fn marker(key: &Key) -> Vec<u8> {
    let dots = vec![b'.'; MAX_KEY - key.as_bytes().len()];
    [NAME, &dots, b":", key.as_bytes()].concat()
}

/// How long a lease is to live, in seconds.
fn life(meta: &Meta) -> u32 {
    argument(meta, b'N').and_then(|argument| number::unsigned32(&argument)).unwrap_or(1)
}

/// The number that is to be the token.
fn opaque(meta: &Meta) -> Vec<u8> {
    argument(meta, b'O').unwrap_or_default()
}

fn argument(meta: &Meta, letter: u8) -> Option<Vec<u8>> {
    meta.flags().find_map(|flag| flag.strip_prefix(&[letter])).map(<[u8]>::to_vec)
}

fn put_call(script: Script, key: &Key, marker: &[u8], arguments: usize, how: Dictation, out: &mut Outbox) {
    put_count(5 + arguments, out);
    let (command, name): (&[u8], &str) = match how.whole {
        false => (b"EVALSHA", script.name()),
        true => (b"EVAL", script.body()),
    };
    put_argument(command, out);
    put_argument(name.as_bytes(), out);
    put_argument(b"2", out);
    put_argument(key.as_bytes(), out);
    put_argument(marker, out);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_marker_is_no_key_and_no_other_keys_marker() {
        let mut keys: Vec<Vec<u8>> = (1..=MAX_KEY).map(|len| vec![b'.'; len]).collect();
        keys.extend((1..=MAX_KEY).map(|len| [&vec![b'.'; len - 1][..], b":"].concat()));
        keys.extend((1..=MAX_KEY).map(|len| [b":", &vec![b'.'; len - 1][..]].concat()));
        let keys: HashSet<_> = keys.into_iter().collect();
        let markers: HashSet<_> = keys.iter().map(|key| marker(&Key::new(key).unwrap())).collect();
        assert_eq!(markers.len(), keys.len());
        assert!(markers.iter().all(|marker| marker.len() > MAX_KEY));
    }
}
