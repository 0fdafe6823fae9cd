//! Numbers as memcached reads them: through `strtol` and `strtoul`, with all that these let pass.
//!
//! White space before a number, a sign, and anything behind white space after it are taken. A number too large
//! for 64 bits is refused; one too large for 32 is cut down to its low 32 bits.

/// memcached's `safe_strtoull`: a minus counts as 2⁶⁴ less the rest, and is refused where that shows.
#[inline]
pub fn unsigned64(text: &[u8]) -> Option<u64> {
    let digits = Digits::read(text)?;
    let number = if digits.negative { digits.magnitude.wrapping_neg() } else { digits.magnitude };
    if number >> 63 == 1 && text.contains(&b'-') {
        return None;
    }
    Some(number)
}

/// memcached's `safe_strtoul`: 64 bits are read, the low 32 kept.
#[inline]
pub fn unsigned32(text: &[u8]) -> Option<u32> {
    #[allow(clippy::cast_possible_truncation)] // as memcached does
    unsigned64(text).map(|number| number as u32)
}

/// memcached's `safe_strtol`: 64 bits are read, the low 32 kept.
#[inline]
pub fn signed32(text: &[u8]) -> Option<i32> {
    let digits = Digits::read(text)?;
    let number = match digits.negative {
        false => i64::try_from(digits.magnitude).ok()?,
        true => 0_i64.checked_sub_unsigned(digits.magnitude)?,
    };
    #[allow(clippy::cast_possible_truncation)] // as memcached does
    Some(number as i32)
}

/// Decimal digits and nothing else, as a node writes a number.
#[inline]
pub fn plain(text: &[u8]) -> Option<u64> {
    leading(text).and_then(|(number, rest)| rest.is_empty().then_some(number))
}

/// The decimal digits that `text` begins with, and what stands behind them.
#[inline]
pub fn leading(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut rest = text;
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        rest = behind;
    }
    (rest.len() < text.len()).then_some((number, rest))
}

/// A value's length: memcached has to be able to add the line end to it in 31 bits.
#[inline]
pub fn length(number: i32) -> Option<usize> {
    usize::try_from(number).ok().filter(|_| number <= i32::MAX - 2)
}

struct Digits {
    negative: bool,
    magnitude: u64,
}

impl Digits {
    #[inline]
    fn read(text: &[u8]) -> Option<Self> {
        let mut at = text.iter().position(|byte| !is_space(*byte))?;
        let negative = text[at] == b'-';
        if negative || text[at] == b'+' {
            at += 1;
        }
        let (magnitude, rest) = leading(&text[at..])?;
        if rest.first().is_some_and(|byte| !is_space(*byte)) {
            return None;
        }
        Some(Self { negative, magnitude })
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_are_strtouls() {
        for (text, long, short) in [
            ("0", Some(0), Some(0)),
            ("00012", Some(12), Some(12)),
            ("+7", Some(7), Some(7)),
            (" \t7\tx", Some(7), Some(7)),
            ("-0", Some(0), Some(0)),
            ("-1", None, None),
            ("4294967296", Some(1 << 32), Some(0)),
            ("18446744073709551615", Some(u64::MAX), Some(u32::MAX)),
            ("18446744073709551615\t-", None, None),
            ("18446744073709551616", None, None),
            ("-18446744073709551615", Some(1), Some(1)),
            ("-9223372036854775808", None, None),
            ("", None, None),
            ("-", None, None),
            ("+-1", None, None),
            ("1x", None, None),
            ("0x1", None, None),
            ("1.5", None, None),
        ] {
            assert_eq!((unsigned64(text.as_bytes()), unsigned32(text.as_bytes())), (long, short), "{text}");
        }
    }

    #[test]
    fn signed_numbers_are_strtols() {
        for (text, number) in [
            ("-1", Some(-1)),
            ("2147483648", Some(i32::MIN)),
            ("4294967297", Some(1)),
            ("9223372036854775807", Some(-1)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(0)),
            ("-9223372036854775809", None),
            ("\r5\r", Some(5)),
        ] {
            assert_eq!(signed32(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn a_node_writes_plain_digits() {
        assert_eq!(plain(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "-1", "+1", " 1", "1 ", "1\tx", "18446744073709551616"] {
            assert_eq!(plain(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_length_leaves_room_for_the_line_end() {
        assert_eq!((length(-1), length(0)), (None, Some(0)));
        assert_eq!((length(i32::MAX - 2), length(i32::MAX - 1)), (Some(2_147_483_645), None));
    }
}
