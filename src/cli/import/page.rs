//! The configuration that is written, line by line.

use std::fmt::Display;

/// A configuration in the making.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A page that says what it was made of.
    pub(super) fn of(origin: &str) -> Self {
        let mut page = Self::default();
        page.remark(0, format_args!("Made by ketch import of {origin}."));
        page
    }

    /// A comment.
    pub(super) fn remark(&mut self, depth: usize, words: impl Display) {
        for line in words.to_string().lines() {
            self.line(depth, format_args!("# {line}"));
        }
    }

    /// A key with its value as it is to stand there.
    pub(super) fn key(&mut self, depth: usize, key: &str, value: impl Display) {
        self.line(depth, format_args!("{key}: {value}"));
    }

    /// Any line.
    pub(super) fn line(&mut self, depth: usize, line: impl Display) {
        self.text += &"  ".repeat(depth);
        self.text += &line.to_string();
        self.text.push('\n');
    }

    pub(super) fn text(&self) -> String {
        self.text.clone()
    }
}

/// A text in quotes: those of JSON, which YAML reads too.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A node: its address, and its weight and name where it has them.
pub(super) fn node(address: &str, weight: u32, name: Option<&str>) -> String {
    let mut map = format!("{{ address: {}", quoted(address));
    if weight != 1 {
        map += &format!(", weight: {weight}");
    }
    if let Some(name) = name {
        map += &format!(", name: {}", quoted(name));
    }
    format!("- {map} }}")
}
