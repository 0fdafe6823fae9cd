//! What memcached takes for a number.
//!
//! It reads with C's `strtoull` and `strtol`: blanks before, a sign, and anything behind a blank are let
//! pass in a value. The oddities are kept: counters written by other clients must go on counting.

/// The unsigned number that a stored value or a flag's argument is.
///
/// `None` when it is none, when it does not fit into 64 bits, and when it is negative by its sign.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let (negative, magnitude) = read(text)?;
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    // Only a number that would be negative as a signed one is looked through for a minus.
    let suspect = value > i64::MAX.unsigned_abs();
    if suspect && text.iter().take_while(|byte| **byte != 0).any(|byte| *byte == b'-') {
        return None;
    }
    Some(value)
}

/// A flag's signed argument: memcached reads 64 bits and keeps the lower 32.
pub(super) fn signed(text: &[u8]) -> Option<i32> {
    let (negative, magnitude) = read(text)?;
    let whole = i128::from(magnitude) * if negative { -1 } else { 1 };
    i64::try_from(whole).ok().map(|number| number as i32)
}

/// The sign and the digits that `text` begins with, when nothing but a blank or a NUL ends them.
fn read(text: &[u8]) -> Option<(bool, u64)> {
    let start = text.iter().position(|byte| !is_blank(*byte))?;
    let (negative, digits) = match text[start] {
        b'-' => (true, &text[start + 1..]),
        b'+' => (false, &text[start + 1..]),
        _ => (false, &text[start..]),
    };
    let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 || digits.get(len).is_some_and(|byte| *byte != 0 && !is_blank(*byte)) {
        return None;
    }
    let magnitude =
        digits[..len].iter().try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    Some((negative, magnitude))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The left side was stored in memcached 1.6.18 and then `incr` by 0.
    #[test]
    fn a_value_is_the_number_that_memcached_reads() {
        for (text, number) in [
            (&b"12"[..], Some(12)),
            (b"012", Some(12)),
            (b" 12", Some(12)),
            (b"\t12 ", Some(12)),
            (b"12 abc", Some(12)),
            (b"12\0abc", Some(12)),
            (b"+12", Some(12)),
            (b"-0", Some(0)),
            (b"-18446744073709551615", Some(1)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551615 -", None),
            (b"18446744073709551616", None),
            (b"-1", None),
            (b"12abc", None),
            (b"1.5", None),
            (b"abc", None),
            (b"0x10", None),
            (b"- 1", None),
            (b"+", None),
            (b"", None),
        ] {
            assert_eq!(unsigned(text), number, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn an_argument_has_a_sign_and_32_bits() {
        for (text, number) in [
            (&b"30"[..], Some(30)),
            (b"+30", Some(30)),
            (b"-1", Some(-1)),
            (b"2147483647", Some(i32::MAX)),
            (b"-2147483648", Some(i32::MIN)),
            (b"2147483648", Some(i32::MIN)),
            (b"-2147483649", Some(i32::MAX)),
            (b"4294967297", Some(1)),
            (b"9223372036854775807", Some(-1)),
            (b"9223372036854775808", None),
            (b"-9223372036854775808", Some(0)),
            (b"-9223372036854775809", None),
            (b"18446744073709551615", None),
            (b"30s", None),
            (b"", None),
        ] {
            assert_eq!(signed(text), number, "{}", text.escape_ascii());
        }
    }
}
