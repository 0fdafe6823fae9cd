//! When two answers count as the same, and every exception from byte for byte with its reason.

use super::drive::{End, Transcript};

/// What stands beside the real memcached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// ketch over one memcached, or another memcached.
    Memcached,
    /// ketch over one embedded store.
    Embedded,
    /// ketch over one Redis server, with the cases of [`super::redis`].
    Redis,
}

/// What may differ, where, and why. [`read`] finds them in an answer, [`same`] compares them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Byte for byte.
    Exact(Vec<u8>),
    /// A cas token. The number counts the stores of a whole server and other cases run beside this one, so that
    /// only the order of the tokens of a case is compared: which are equal, which is older. Both subjects.
    Cas(u64),
    /// A number of seconds until or since (`t`, `l`, `exp=`, `la=`). Every server starts its seconds at its own
    /// start, so that two may differ while both are right. Both subjects.
    Seconds(i64),
    /// A time to live after `T` with a negative number: memcached prints the difference to its own start as an
    /// unsigned number, so that it depends on the uptime. Both subjects.
    WrappedSeconds,
    /// What follows `VERSION`: ketch gives its own. Both subjects.
    Version,
    /// `cls=` and `size=` of `me`: an embedded store has no slab classes and no item headers. Embedded only.
    Layout(Vec<u8>),
    /// The length of a value: where memcached pads a number with blanks, Redis has none. Redis only.
    Size(u64),
    /// A value. The same. Redis only.
    Value(Vec<u8>),
}

/// How many seconds two clocks that tick once a second may seem apart.
const TICKS: i64 = 2;

/// Why `other` is not what the real memcached said; `None` when it is.
pub fn difference(real: &Transcript, other: &Transcript, subject: Subject) -> Option<String> {
    if real.end == End::Silent {
        return Some("memcached owes nothing more: the case is at fault".into());
    }
    if real.end != other.end {
        return Some(format!("memcached ended {:?}, the other {:?}", real.end, other.end));
    }
    let (mut cas_real, mut cas_other) = (Vec::new(), Vec::new());
    for (number, (real, other)) in real.bursts.iter().zip(&other.bursts).enumerate() {
        let (real, other) = (read(real), read(other));
        for (at, (real, other)) in real.iter().zip(&other).enumerate() {
            if !same(real, other, subject) {
                return Some(format!(
                    "burst {number}, part {at}: memcached {}, the other {}",
                    shown(real),
                    shown(other)
                ));
            }
            if let (Part::Cas(real), Part::Cas(other)) = (real, other) {
                cas_real.push(*real);
                cas_other.push(*other);
            }
        }
        if real.len() != other.len() {
            let (longer, who) = if real.len() > other.len() { (&real, "memcached") } else { (&other, "the other") };
            let extra = shown(&longer[real.len().min(other.len())]);
            return Some(format!("burst {number}: {who} goes on with {extra}"));
        }
    }
    if subject == Subject::Redis {
        return None; // a token is a hash: it has no order
    }
    let (ranks_real, ranks_other) = (ranks(&cas_real), ranks(&cas_other));
    (ranks_real != ranks_other).then(|| format!("order of the cas tokens: {cas_real:?} and {cas_other:?}"))
}

/// The cas tokens of an answer, in its order.
pub fn cas_tokens(answer: &[u8]) -> Vec<u64> {
    let tokens = read(answer).into_iter();
    tokens.filter_map(|part| if let Part::Cas(token) = part { Some(token) } else { None }).collect()
}

fn same(real: &Part, other: &Part, subject: Subject) -> bool {
    match (real, other) {
        (Part::Cas(_), Part::Cas(_)) => true,
        (Part::Seconds(real), Part::Seconds(other)) => real.abs_diff(*other) <= TICKS as u64,
        (Part::Layout(_), Part::Layout(_)) if subject == Subject::Embedded => true,
        (Part::Size(real), Part::Size(other)) if subject == Subject::Redis => real >= other,
        (Part::Value(real), Part::Value(other)) if subject == Subject::Redis => {
            real == other || is_padded(real) && unpadded(real) == unpadded(other)
        }
        _ => real == other,
    }
}

/// Whether a value, with its line end, is a number with blanks behind it.
fn is_padded(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_digit) && value.ends_with(b" \r\n")
}

fn unpadded(value: &[u8]) -> &[u8] {
    value.trim_ascii_end()
}

fn ranks(tokens: &[u64]) -> Vec<usize> {
    let mut sorted = tokens.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    tokens.iter().map(|token| sorted.partition_point(|other| other < token)).collect()
}

/// Takes an answer apart. What is no answer that memcached gives is one exact part a line.
fn read(answer: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = answer;
    while !rest.is_empty() {
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(length);
        rest = behind;
        if let Some(length) = read_line(line, &mut parts) {
            let (value, behind) = rest.split_at((length as usize).saturating_add(2).min(rest.len()));
            parts.push(Part::Value(value.to_vec()));
            rest = behind;
        }
    }
    parts
}

/// Takes one line apart and tells the length of the value behind it, if one is there.
fn read_line(line: &[u8], parts: &mut Vec<Part>) -> Option<u64> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    match words[0] {
        // ketch has its own figures, and no slabs: how many lines there are, and what they say, is not compared,
        // only the END behind them. Both subjects.
        b"STAT" => {}
        b"VERSION" => parts.push(Part::Version),
        b"VALUE" => {
            parts.extend(
                words.iter().take(4).enumerate().map(|(at, word)| if at < 3 { exact(word) } else { size(word) }),
            );
            parts.extend(words.iter().skip(4).map(|word| number(word).map_or_else(|| exact(word), Part::Cas)));
            return words.get(3).and_then(|word| number(word));
        }
        b"VA" => {
            parts.extend(words.iter().enumerate().map(|(at, word)| match at {
                0 => exact(word),
                1 => size(word),
                _ => flag(word),
            }));
            return words.get(1).and_then(|word| number(word));
        }
        b"HD" | b"EN" | b"NF" | b"NS" | b"EX" => parts.extend(words.iter().map(|word| flag(word))),
        b"ME" => parts.extend(words.iter().map(|word| debug_word(word))),
        _ => parts.push(exact(line)),
    }
    None
}

/// A flag of a meta answer.
fn flag(word: &[u8]) -> Part {
    match (word.first(), word.get(1..).and_then(number)) {
        (Some(b'c'), Some(token)) => Part::Cas(token),
        (Some(b's'), Some(length)) => Part::Size(length),
        (Some(b't'), Some(seconds)) if seconds > 1 << 31 => Part::WrappedSeconds,
        (Some(b't' | b'l'), Some(seconds)) => Part::Seconds(seconds as i64),
        _ => exact(word),
    }
}

/// A word of the answer to `me`.
fn debug_word(word: &[u8]) -> Part {
    let Some(at) = word.iter().position(|byte| *byte == b'=') else { return exact(word) };
    let text = std::str::from_utf8(&word[at + 1..]).unwrap_or_default();
    match &word[..at] {
        // -1 means never.
        b"exp" | b"la" if text != "-1" => text.parse().map_or_else(|_| exact(word), Part::Seconds),
        b"cas" => text.parse().map_or_else(|_| exact(word), Part::Cas),
        b"cls" | b"size" => Part::Layout(word.to_vec()),
        _ => exact(word),
    }
}

fn exact(word: &[u8]) -> Part {
    Part::Exact(word.to_vec())
}

fn size(word: &[u8]) -> Part {
    number(word).map_or_else(|| exact(word), Part::Size)
}

/// A whole decimal number, with or without the line end behind it.
fn number(word: &[u8]) -> Option<u64> {
    let word = word.strip_suffix(b"\r\n").unwrap_or(word);
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

fn shown(part: &Part) -> String {
    match part {
        Part::Exact(bytes) | Part::Layout(bytes) | Part::Value(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        other => format!("{other:?}"),
    }
}
