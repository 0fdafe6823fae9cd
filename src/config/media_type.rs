//! What HTTP clients are told that a value is.

use schemars::{Schema, json_schema};

use super::setting::Setting;

/// A media type, as a setting.
#[derive(Clone, Debug)]
pub(super) struct MediaType;

/// Whether `text` is `type/subtype`, perhaps with parameters behind a `;`. These are not looked at, but that they are
/// text: nothing in it can end a header.
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    let token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_text = parameters.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    is_text && essence.trim_end().split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
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
        for text in ["image/svg+xml", "text/plain; charset=utf-8", "application/vnd.api+json"] {
            assert!(is_media_type(text), "{text}");
        }
        for text in ["", "text", "/", "text/", "a b/c", "text/plain; a\r\nb: c", "text/html\u{e9}", "a/b/c"] {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
