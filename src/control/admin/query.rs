//! The part of an address behind the question mark.

/// The value of `name` in `query`, decoded: any bytes. `None` where it is not there or is badly written.
pub(super) fn value(query: &str, name: &str) -> Option<Vec<u8>> {
    let pair = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pair.filter(|(key, _)| *key == name).find_map(|(_, value)| decode(value))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded_to_any_bytes() {
        let value = |query| value(query, "key").map(|bytes| bytes.escape_ascii().to_string());
        assert_eq!(value("key=a%00%fF+b&key=c").as_deref(), Some("a\\x00\\xff b"));
        assert_eq!(value("other=1&key=").as_deref(), Some(""));
        for bad in ["", "ke=1", "key=%", "key=%1", "key=%zz", "key=%+1"] {
            assert_eq!(value(bad), None, "{bad}");
        }
    }
}
