//! The line of an answer to a meta command.

use bytes::Bytes;

use super::base64;
use crate::model::{Meta, MetaReply, MetaStatus};

/// Collects what stands behind the status, for nodes that do not speak memcached's protocol themselves: words with one
/// space between two.
#[derive(Debug, Default)]
pub struct AnswerLine(Vec<u8>);

impl AnswerLine {
    /// What every answer without an item has: the opaque and the key, in the order of the flags.
    #[must_use]
    pub fn echoing(meta: &Meta, as_base64: bool) -> Self {
        let mut line = Self::default();
        for flag in meta.flags() {
            line.echo(meta, flag, as_base64);
        }
        line
    }

    /// The answer to `flag` where it is the opaque or the key.
    pub fn echo(&mut self, meta: &Meta, flag: &[u8], as_base64: bool) {
        match flag[0] {
            b'O' => self.word(flag),
            b'k' => self.key(meta.key.as_bytes(), as_base64),
            _ => {}
        }
    }

    /// A word as it is.
    pub fn word(&mut self, word: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b' ');
        }
        self.0.extend_from_slice(word);
    }

    /// A letter with a number right behind it.
    pub fn number(&mut self, letter: u8, number: u64) {
        self.word(&[letter]);
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// `t`: the seconds that are left; -1 for an item that lives for ever (`None`).
    pub fn life(&mut self, seconds: Option<u64>) {
        match seconds {
            Some(seconds) => self.number(b't', seconds),
            None => self.word(b"t-1"),
        }
    }

    /// `k`: the key, and `b` where it is told as base64.
    pub fn key(&mut self, key: &[u8], as_base64: bool) {
        if as_base64 {
            self.word(format!("k{} b", base64::encode(key)).as_bytes());
        } else {
            self.word(b"k");
            self.0.extend_from_slice(key);
        }
    }

    /// The key by itself.
    pub fn name(&mut self, key: &[u8], as_base64: bool) {
        match as_base64 {
            true => self.word(base64::encode(key).as_bytes()),
            false => self.word(key),
        }
    }

    /// The answer without a value.
    #[must_use]
    pub fn reply(self, status: MetaStatus) -> MetaReply {
        MetaReply { status, flags: self.0.into(), value: Bytes::new() }
    }

    /// The answer with one.
    #[must_use]
    pub fn reply_with(self, value: Bytes) -> MetaReply {
        MetaReply { status: MetaStatus::Value, flags: self.0.into(), value }
    }
}
