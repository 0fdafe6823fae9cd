//! Random meta commands.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::case::{Command, Word};
use super::generate::Generator;

/// A framed meta command with random flags.
pub fn command(generator: &mut Generator) -> Command {
    match generator.random.u8(0..20) {
        0..=7 => get(generator),
        8..=13 => set(generator),
        14..=15 => delete(generator),
        16..=18 => arithmetic(generator),
        _ => debug(generator),
    }
}

fn get(generator: &mut Generator) -> Command {
    let number = generator.numbers_are_read_by_meta && generator.random.bool();
    let key = if number { generator.number_key() } else { generator.text_key() };
    with_flags(generator, "mg", key, None, b"bcfhklNOqRstTuvvv")
}

fn set(generator: &mut Generator) -> Command {
    let number = generator.random.u8(0..4) == 0;
    let key = if number { generator.number_key() } else { generator.text_key() };
    let body = if number { generator.number() } else { generator.value() };
    with_flags(generator, "ms", key, Some(body), b"bcCFIkMOqT")
}

fn delete(generator: &mut Generator) -> Command {
    let key = if generator.random.u8(0..4) == 0 { generator.number_key() } else { generator.text_key() };
    with_flags(generator, "md", key, None, b"bCIIkOqT")
}

fn arithmetic(generator: &mut Generator) -> Command {
    let key = generator.changed_number_key();
    with_flags(generator, "ma", key, None, b"bNCcDJkMOqtTv")
}

fn debug(generator: &mut Generator) -> Command {
    let key = generator.text_key();
    let base64 = generator.random.u8(0..4) == 0;
    let tail: &[u8] = if base64 { b" b" } else { b"" };
    Command::new([b"me ", &token(&key, base64)[..], tail].concat())
}

/// `verb key [length] flags`; most flags out of `usual`, each mostly once.
fn with_flags(generator: &mut Generator, verb: &str, key: Vec<u8>, body: Option<Vec<u8>>, usual: &[u8]) -> Command {
    // A key of 250 bytes is longer than that as a token.
    let base64 = key.len() <= 180 && usual.contains(&b'b') && generator.random.u8(0..5) == 0;
    let key = if base64 && generator.random.u8(0..3) == 0 { [&key[..], b"\x00 \xff"].concat() } else { key };
    let mut command = Command::new([verb.as_bytes(), b" "].concat());
    command.words.truncate(1);
    command.words.push(Word::Bytes(token(&key, base64)));
    if body.is_some() {
        command.words.push(Word::Length);
    }
    command.body = body;
    let mut letters: Vec<u8> = Vec::new();
    for _ in 0..generator.random.usize(0..7) {
        let letter = match generator.random.u8(0..60) {
            0 => generator.random.u8(33..127),
            1 => b"PL"[generator.random.usize(0..2)],
            _ => usual[generator.random.usize(0..usual.len())],
        };
        let newer = matches!(letter, b'E' | b'x') || verb == "ms" && matches!(letter, b's' | b'N');
        let again = letters.contains(&letter) && generator.random.u8(0..30) > 0;
        if letter != b'b' && !again && !newer {
            letters.push(letter);
        }
    }
    if base64 {
        letters.insert(generator.random.usize(0..=letters.len()), b'b');
    }
    if letters.contains(&b'N') {
        letters.retain(|letter| *letter != b'b' && (*letter != b'q' || verb != "ma"));
    }
    let late = verb == "mg" || verb == "ma" && letters.iter().any(|letter| b"TN".contains(letter));
    for letter in letters {
        let flag = match flag(generator, letter, verb) {
            Word::Bytes(bytes) if late && letter == b'O' => Word::Bytes(bytes[..bytes.len().min(32)].to_vec()),
            flag => flag,
        };
        command.words.push(flag);
    }
    command
}

fn token(key: &[u8], base64: bool) -> Vec<u8> {
    if base64 { STANDARD.encode(key).into_bytes() } else { key.to_vec() }
}

/// A flag with an argument where it wants one, sometimes a bad one.
fn flag(generator: &mut Generator, letter: u8, verb: &str) -> Word {
    let argument = match letter {
        b'T' | b'N' => generator.expiry(),
        // Far from every time to live, so that no second boundary decides.
        b'R' => generator.pick(&["30", "5000", "200000", "0", "-99", "x"]),
        b'O' => generator.pick(&[
            "1",
            "abc",
            "opaque+/=",
            "12345678901234567890123456789012",
            "1234567890123456789012345678901",
            "",
        ]),
        b'F' => generator.pick(&["0", "5", "4294967295", "4294967296", "-1", "x", ""]),
        b'M' if verb == "ma" => generator.pick(&["I", "D", "+", "-", "i", "d", "X", "", "II"]),
        b'M' => generator.pick(&["S", "E", "A", "P", "R", "s", "a", "X", "", "SS"]),
        b'J' => generator.pick(&["0", "7", "100", "100000000000000000", "18446744073709551616", "x"]),
        b'D' => generator.delta(),
        b'C' => return generator.cas_token(Some(b'C')),
        b'E' => generator.pick(&["1000000000000", "0", "x"]),
        b'P' | b'L' => generator.pick(&["", "x", "123"]),
        _ => generator.pick(&["", "", "", "", "", "", "", "", "", "1"]),
    };
    Word::Bytes([&[letter], argument.as_bytes()].concat())
}
