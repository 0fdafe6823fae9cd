//! Base64 as memcached reads it: bytes outside the alphabet are skipped, and what stands behind the padding too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The bytes that `text` stands for, at least one; `None` where memcached cannot decode it.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let symbols = || text.iter().filter_map(|byte| value(*byte));
    let count = symbols().count();
    if count == 0 || count % 4 != 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(count / 4 * 3);
    let mut symbols = symbols();
    while let (Some(a), Some(b), Some(c), Some(d)) = (symbols.next(), symbols.next(), symbols.next(), symbols.next()) {
        let padding = [a, b, c, d].iter().filter(|symbol| symbol.is_none()).count();
        let [a, b, c, d] = [a, b, c, d].map(|symbol| symbol.unwrap_or(0));
        let block = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        match padding {
            0 => bytes.extend_from_slice(&block),
            1 | 2 => {
                bytes.extend_from_slice(&block[..3 - padding]);
                break;
            }
            _ => return None,
        }
    }
    Some(bytes)
}

/// `bytes` as base64, padded.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Outside the alphabet nothing; for the padding `Some(None)`.
fn value(byte: u8) -> Option<Option<u8>> {
    match byte {
        b'A'..=b'Z' => Some(Some(byte - b'A')),
        b'a'..=b'z' => Some(Some(byte - b'a' + 26)),
        b'0'..=b'9' => Some(Some(byte - b'0' + 52)),
        b'+' => Some(Some(62)),
        b'/' => Some(Some(63)),
        b'=' => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_as_memcached_decodes_it() {
        for (text, bytes) in [
            ("Zm9v", Some(&b"foo"[..])),
            ("Zm9vYg==", Some(b"foob")),
            ("AAE=", Some(b"\0\x01")),
            ("+/+/", Some(b"\xfb\xff\xbf")),
            ("Z!m9\tv\u{e9}", Some(b"foo")),
            ("Zm9vZg==Zm9v", Some(b"foof")),
            ("=AAA", Some(b"\0\0")),
            ("Zm9", None),
            ("!!!!", None),
            ("Z===", None),
            ("====", None),
            ("", None),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        for bytes in [&b"a"[..], b"ab", b"abc", b"\0\xff \n"] {
            assert_eq!(decode(encode(bytes).as_bytes()).as_deref(), Some(bytes));
        }
    }
}
