//! Single values: how each kind is written, what is said when it is not, and how an editor checks it.

use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::words::nearest;
use crate::model::{Endpoint, EndpointError};

/// A kind of single value.
pub(super) trait Setting {
    /// What it becomes.
    type Valid;

    /// Reads what was typed.
    ///
    /// # Errors
    /// What is wrong and what would be right, in words.
    fn read(text: &str) -> Result<Self::Valid, String>;

    /// How it is written, for the schema.
    fn schema() -> Schema;
}

/// One value as it was typed; `S` says what it is meant to be.
#[derive(Clone, Debug)]
pub(super) struct Typed<S> {
    text: Option<String>,
    setting: PhantomData<fn() -> S>,
}

impl<S> Typed<S> {
    /// What was typed; `None` when the key is not there.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub fn new(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), setting: PhantomData }
    }
}

impl<S> Default for Typed<S> {
    fn default() -> Self {
        Self { text: None, setting: PhantomData }
    }
}

impl<'de, S> Deserialize<'de> for Typed<S> {
    /// Takes numbers and truth values as they were typed: `1.10` stays `1.10`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl<S: Setting> JsonSchema for Typed<S> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        std::any::type_name::<S>().into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        S::schema()
    }
}

/// Any text.
#[derive(Clone, Debug)]
pub(super) struct Text;

impl Setting for Text {
    type Valid = String;

    fn read(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }

    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

impl Setting for bool {
    type Valid = Self;

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is not true or false"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Debug)]
pub(super) struct Whole<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Setting for Whole<MIN, MAX> {
    type Valid = u32;

    fn read(text: &str) -> Result<u32, String> {
        let number = text.parse().ok().filter(|number| (MIN..=MAX).contains(number));
        number.ok_or_else(|| format!("\"{text}\" is not a whole number from {MIN} to {MAX}"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// The number of worker threads: `auto` (here `None`), or from 1 to 1024.
#[derive(Clone, Debug)]
pub(super) struct Workers;

impl Setting for Workers {
    type Valid = Option<usize>;

    fn read(text: &str) -> Result<Option<usize>, String> {
        match text {
            "auto" => Ok(None),
            _ => match text.parse() {
                Ok(number @ 1..=1024) => Ok(Some(number)),
                _ => Err(format!("\"{text}\" is neither auto nor a whole number from 1 to 1024")),
            },
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": 1024 }] })
    }
}

/// The longest time that can be set. It is far from where adding it to a clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A time that may be 0.
#[derive(Clone, Debug)]
pub(super) struct Span;

impl Setting for Span {
    type Valid = Duration;

    fn read(text: &str) -> Result<Duration, String> {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(text.len() - digits);
        let known = !number.is_empty() && matches!(unit, "ms" | "s" | "m" | "h" | "d");
        let wrong = || format!("\"{text}\" is not a time; write a whole number with ms, s, m, h or d, as in 250ms");
        let span = known.then(|| humantime::parse_duration(text).ok()).flatten().ok_or_else(wrong)?;
        match span <= LONGEST {
            true => Ok(span),
            false => Err(format!("{text} is more than the longest time that can be set, 365d")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["250ms", "1s", "10m"] })
    }
}

/// Reads a time as the file writes it: `250ms`, `10m`.
///
/// # Errors
/// What is wrong and what would be right, in words.
pub fn duration(text: &str) -> Result<Duration, String> {
    Span::read(text)
}

/// A time of more than 0.
#[derive(Clone, Debug)]
pub(super) struct Interval;

impl Setting for Interval {
    type Valid = Duration;

    fn read(text: &str) -> Result<Duration, String> {
        match Span::read(text)? {
            Duration::ZERO => Err(format!("{text} is no time at all; write more than 0, as in 250ms")),
            interval => Ok(interval),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^0*[1-9][0-9]*(ms|s|m|h|d)$", "examples": ["250ms", "1s", "10m"] })
    }
}

/// A number of bytes from `MIN` to `MAX`, plain or with a binary unit.
#[derive(Clone, Debug)]
pub(super) struct Size<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Setting for Size<MIN, MAX> {
    type Valid = usize;

    fn read(text: &str) -> Result<usize, String> {
        let wrong =
            || format!("\"{text}\" is not a size; write bytes, or a whole number with KiB, MiB or GiB, as in 64MiB");
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number: u64 = text[..text.len() - rest.len()].parse().map_err(|_| wrong())?;
        let unit: u64 = match rest {
            "" | "B" => 1,
            "KiB" => bytesize::KIB,
            "MiB" => bytesize::MIB,
            "GiB" => bytesize::GIB,
            _ => return Err(wrong()),
        };
        let bytes = number.checked_mul(unit).filter(|bytes| (MIN..=MAX).contains(bytes));
        let range = || format!("{text} is not between {} and {}", size(MIN), size(MAX));
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(range)
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$", "examples": ["1MiB", "64MiB", "2GiB"] },
            { "type": "integer", "minimum": MIN, "maximum": MAX },
        ] })
    }
}

/// A number of bytes as the file writes it, with the largest unit that leaves a whole number: `64MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = [(bytesize::GIB, "GiB"), (bytesize::MIB, "MiB"), (bytesize::KIB, "KiB")];
    let unit = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}

/// A share from `0%` to `100%`; becomes 0 to 1.
#[derive(Clone, Debug)]
pub(super) struct Percent;

impl Setting for Percent {
    type Valid = f64;

    fn read(text: &str) -> Result<f64, String> {
        let number =
            text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok()).filter(|number| *number <= 100);
        let wrong = || format!("\"{text}\" is not a share; write a whole number of percent from 0% to 100%, as in 50%");
        number.map(|number| f64::from(number) / 100.0).ok_or_else(wrong)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(100|[0-9]{1,2})%$", "examples": ["50%"] })
    }
}

impl Setting for Endpoint {
    type Valid = Self;

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: EndpointError| error.to_string())
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(unix:/.+|\\[[^\\]]+\\]:[0-9]+|[^:\\s]+:[0-9]+)$",
            "examples": ["127.0.0.1:11211", "[::1]:11211", "unix:/run/ketch.sock"],
        })
    }
}

/// An address, or `off`.
#[derive(Clone, Debug)]
pub(super) struct EndpointOrOff;

impl Setting for EndpointOrOff {
    type Valid = Option<Endpoint>;

    fn read(text: &str) -> Result<Option<Endpoint>, String> {
        match text {
            "off" => Ok(None),
            _ => Endpoint::read(text).map(Some).map_err(|error| format!("{error}, or off")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "const": "off" }, Endpoint::schema()] })
    }
}

/// Opening and closing character of a hash tag, or nothing.
#[derive(Clone, Debug)]
pub(super) struct HashTag;

impl Setting for HashTag {
    type Valid = Option<(u8, u8)>;

    fn read(text: &str) -> Result<Option<(u8, u8)>, String> {
        match *text.as_bytes() {
            [] => Ok(None),
            [open, close] if text.is_ascii() => Ok(Some((open, close))),
            _ => Err(format!(
                "\"{text}\" is not a hash tag; write the opening and the closing character, as in \"{{}}\""
            )),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^([ -~]{2})?$", "examples": ["{}"] })
    }
}

/// One word of a few, for a [`Setting`] that is an enum.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let hint = nearest(text, &names).map(|word| format!("; did you mean {word}?")).unwrap_or_default();
    Err(format!("\"{text}\" is none of {}{hint}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_numbers_with_a_unit() {
        for (text, millis) in [("0s", 0), ("250ms", 250), ("1s", 1000), ("10m", 600_000), ("2h", 7_200_000)] {
            assert_eq!(Span::read(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "1", "s", "1.5s", "-1s", "1 s", "1M", "1 year", "1s 500ms", "99999999999999999999s"] {
            assert!(Span::read(text).unwrap_err().contains("is not a time; write"), "{text}");
        }
        assert_eq!(Span::read("366d").unwrap_err(), "366d is more than the longest time that can be set, 365d");
        assert_eq!(Interval::read("0ms").unwrap_err(), "0ms is no time at all; write more than 0, as in 250ms");
    }

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        type Any = Size<0, { u64::MAX }>;
        for (text, bytes) in
            [("0", 0), ("512", 512), ("512B", 512), ("2KiB", 2048), ("64MiB", 64 << 20), ("3GiB", 3 << 30)]
        {
            assert_eq!(Any::read(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "64MB", "64M", "64 MiB", "1.5GiB", "-1", "64mib"] {
            assert!(Any::read(text).unwrap_err().contains("is not a size; write"), "{text}");
        }
        assert_eq!(Size::<1024, 1_048_576>::read("2MiB").unwrap_err(), "2MiB is not between 1KiB and 1MiB");
        assert!(Any::read("99999999999GiB").unwrap_err().contains("is not between"));
    }

    #[test]
    fn shares_are_percent() {
        assert_eq!(Percent::read("50%"), Ok(0.5));
        for text in ["50", "0.5", "101%", "%", "-1%"] {
            assert!(Percent::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_tag_has_two_characters_or_none() {
        assert_eq!(HashTag::read("{}"), Ok(Some((b'{', b'}'))));
        assert_eq!(HashTag::read(""), Ok(None));
        for text in ["{", "{}}", "é"] {
            assert!(HashTag::read(text).is_err(), "{text}");
        }
    }
}
