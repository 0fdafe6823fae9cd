//! Percent-encoded text, and the keys and parameters in it.

use super::problem::Problem;
use crate::model::{Key, MAX_KEY};
use hyper::StatusCode;

/// The longest key that a node takes as base64: it counts the base64, not the key.
const MAX_BINARY: usize = MAX_KEY / 4 * 3;

/// The key that one segment of a path names.
///
/// # Errors
/// 400 when it is not percent-encoded or empty, 414 when it is too long.
pub(super) fn key(segment: &str) -> Result<Key, Problem> {
    key_of(&decode(segment)?)
}

/// The key of these bytes.
///
/// # Errors
/// 400 when there are none, 414 when there are too many.
pub(super) fn key_of(bytes: &[u8]) -> Result<Key, Problem> {
    if bytes.is_empty() {
        return Err(Problem::bad("a key has at least 1 byte"));
    }
    let too_long = |limit, kind| {
        Problem::new(
            StatusCode::URI_TOO_LONG,
            format!("a key{kind} has at most {limit} bytes, this has {}", bytes.len()),
        )
    };
    let key = Key::new(bytes).map_err(|_| too_long(MAX_KEY, ""))?;
    match key.is_text() || bytes.len() <= MAX_BINARY {
        true => Ok(key),
        false => Err(too_long(MAX_BINARY, " with blanks or control bytes")),
    }
}

/// The bytes that `text` stands for.
///
/// # Errors
/// 400 when a `%` has no two hexadecimal digits behind it.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |at: usize| behind.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(Problem::bad("a % stands without two hexadecimal digits behind it: write it as %25"));
        };
        #[allow(clippy::cast_possible_truncation)] // two digits of 16
        bytes.push((high * 16 + low) as u8);
        rest = &behind[2..];
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stands_for_any_bytes() {
        for (text, bytes) in [
            ("user:42", &b"user:42"[..]),
            ("a%2Fb%2fc", b"a/b/c"),
            ("%00%ff%25", b"\0\xff%"),
            ("a+b", b"a+b"),
            ("caf%C3%A9", "café".as_bytes()),
        ] {
            assert_eq!(key(text).unwrap().as_bytes(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_key_says_why() {
        let binary = |count| "%00".repeat(count);
        for (text, status) in [
            ("", 400),
            ("%", 400),
            ("a%2", 400),
            ("%zz", 400),
            ("%+1", 400),
            (&"k".repeat(251), 414),
            (&binary(187), 414),
        ] {
            assert_eq!(key(text).unwrap_err().members()["status"], status, "{text}");
        }
        assert!(key(&"k".repeat(250)).is_ok() && key(&binary(186)).is_ok());
    }
}
