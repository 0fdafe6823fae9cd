//! A line cut into words as memcached cuts it: at spaces, and up to the first zero byte.

/// memcached looks at 23 words of a line; only a read goes on behind them.
pub const MOST_WORDS: usize = 23;

/// How many bytes stand before the first space or control character; all of them, where there is none.
///
/// Eight at a time (the sign bit of a byte less 33, unless it was set already): a search that is made for long texts
/// takes longer to begin than a key takes to end.
#[inline]
pub fn word_len(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (eights, rest) = text.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let eight = u64::from_le_bytes(*eight);
        let below = eight.wrapping_sub(ONES * 33) & !eight & (ONES * 128);
        if below != 0 {
            return at * 8 + below.trailing_zeros() as usize / 8;
        }
    }
    let behind = text.len() - rest.len();
    behind + rest.iter().position(|byte| *byte <= b' ').unwrap_or(rest.len())
}

/// The words of a line, one by one. Only the space separates; a tab belongs to a word.
#[derive(Clone)]
pub struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    /// The words of `line`, which has no line end; what stands behind a zero byte is not looked at.
    #[inline]
    pub fn new(line: &'a [u8]) -> Self {
        let end = memchr::memchr(0, line).unwrap_or(line.len());
        Self { rest: &line[..end] }
    }

    /// There are no more words than this, and mostly as many.
    pub fn at_most(&self) -> usize {
        (memchr::memchr_iter(b' ', self.rest).count() + 1).min(self.rest.len().div_ceil(2))
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b' ', self.rest).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

/// The words behind a command's name: up to `N` of them, and one more is seen as too many.
pub struct Arguments<'a, const N: usize> {
    words: [&'a [u8]; N],
    count: usize,
}

impl<'a, const N: usize> Arguments<'a, N> {
    /// Cuts what is left of `words`; `None` when there are more than `N`.
    #[inline]
    pub fn new(words: Words<'a>) -> Option<Self> {
        let mut arguments = Self { words: [b""; N], count: 0 };
        for word in words {
            *arguments.words.get_mut(arguments.count)? = word;
            arguments.count += 1;
        }
        Some(arguments)
    }

    /// The words.
    #[inline]
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.words[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_ends_before_the_first_byte_that_is_no_letter() {
        for len in 0..40 {
            for behind in [&b""[..], b" x", b"\r\n", b"\0", b"\t\x7f"] {
                for letter in [b'!', b'a', 0x7f, 0x80, 0xff] {
                    let text = [&vec![letter; len], behind].concat();
                    assert_eq!(word_len(&text), len, "{}", text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn only_spaces_part_words_and_a_zero_ends_the_line() {
        let words = |line: &'static [u8]| Words::new(line).collect::<Vec<_>>();
        assert_eq!(words(b"  get  a\tb \r "), [&b"get"[..], b"a\tb", b"\r"]);
        assert_eq!(words(b"get a\0b c"), [&b"get"[..], b"a"]);
        assert_eq!(words(b"   "), [b""; 0]);
    }

    #[test]
    fn one_argument_too_many_is_seen() {
        let count = |line: &'static [u8]| Arguments::<2>::new(Words::new(line)).map(|it| it.as_slice().len());
        assert_eq!(count(b""), Some(0));
        assert_eq!(count(b"a b "), Some(2));
        assert_eq!(count(b"a b c"), None);
    }
}
