//! What HTTP clients are told that a value is.

use schemars::{Schema, json_schema};

use super::setting::Setting;

/// A media type, as a setting.
#[derive(Clone, Debug)]
pub(super) struct MediaType;

/// Whether `text` is `type/subtype`, perhaps with parameters (RFC 9110, section 8.3.1): each `; name=token` or
/// `; name="text"`. Nothing in it can end a header.
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    let Some((kind, rest)) = text.split_once('/') else { return false };
    let (subtype, rest) = token(rest);
    is_token(kind) && !subtype.is_empty() && are_parameters(rest)
}

fn are_parameters(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let Some(behind) = rest.strip_prefix(';') else { return rest.is_empty() };
        let (name, behind) = token(behind.trim_start_matches([' ', '\t']));
        if name.is_empty() {
            rest = behind; // a semicolon may stand alone
            continue;
        }
        let Some(behind) = behind.strip_prefix('=').and_then(value) else { return false };
        rest = behind;
    }
}

/// What stands behind a token or a quoted text.
fn value(text: &str) -> Option<&str> {
    let Some(mut quoted) = text.strip_prefix('"') else {
        let (value, behind) = token(text);
        return (!value.is_empty()).then_some(behind);
    };
    loop {
        let mut left = quoted.chars();
        match left.next()? {
            '"' => return Some(left.as_str()),
            '\\' => drop(left.next().filter(|escaped| is_text(*escaped))?),
            character => drop(is_text(character).then_some(())?),
        }
        quoted = left.as_str();
    }
}

/// The token at the front, and what stands behind it.
fn token(text: &str) -> (&str, &str) {
    text.split_at(text.find(|character| !is_token_character(character)).unwrap_or(text.len()))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_character)
}

fn is_token_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

fn is_text(character: char) -> bool {
    matches!(character, ' '..='~' | '\t')
}

impl Setting for MediaType {
    type Valid = String;

    fn read(text: &str) -> Result<String, String> {
        match is_media_type(text) {
            true => Ok(text.to_owned()),
            false => Err(format!("\"{text}\" is not a media type; write one such as image/png")),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^/; ]+/[^/; ]+ *(;.*)?$", "examples": ["image/png"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_cannot_break_out_of_its_header() {
        for text in [
            "image/svg+xml",
            "text/plain; charset=utf-8",
            "application/vnd.api+json",
            "text/plain;charset=\"utf-8\" ; a=b",
            "a/b; q=\"a \\\" b; c/d\"",
            "a/b;",
        ] {
            assert!(is_media_type(text), "{text}");
        }
        for text in
            ["", "text", "/", "text/", "a b/c", "text/plain; a\r\nb: c", "text/html\u{e9}", "a/b/c"].into_iter().chain(
                ["a/b; q=\"", "a/b; q=\"x", "a/b; q=\"x\\\"", "a/b; q=x\"", "a/b; \"q\"", "a/b; q", "a/b; q=", "a/b c"],
            )
        {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
