//! The line of a meta answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::super::clock::Moment;
use super::flags::Flags;
use crate::model::{Meta, MetaReply, MetaStatus};

/// Collects what stands behind the status: words with one space between two.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<u8>);

impl Line {
    /// What every answer without an item has: the opaque and the key, in the order of the flags.
    pub fn echoing(meta: &Meta, flags: &Flags) -> Self {
        let mut line = Self::default();
        for flag in meta.flags() {
            match flag[0] {
                b'O' => line.word(flag),
                b'k' => line.key(meta.key.as_bytes(), flags.binary_key),
                _ => {}
            }
        }
        line
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

    /// `t`: seconds until `deadline`.
    pub fn life(&mut self, deadline: u32, when: Moment) {
        match when.left(deadline) {
            Some(seconds) => self.number(b't', seconds.into()),
            None => self.word(b"t-1"),
        }
    }

    /// `k`: the key, and `b` where it is base64.
    pub fn key(&mut self, key: &[u8], binary: bool) {
        self.word(b"k");
        match echo(key, binary) {
            None => self.0.extend_from_slice(key),
            Some(base64) => {
                self.0.extend_from_slice(base64.as_bytes());
                self.word(b"b");
            }
        }
    }

    pub fn reply(self, status: MetaStatus) -> MetaReply {
        MetaReply { status, flags: self.0.into(), value: Bytes::new() }
    }

    pub fn reply_with(self, value: Bytes) -> MetaReply {
        MetaReply { status: MetaStatus::Value, flags: self.0.into(), value }
    }
}

/// The key as base64, where it is to be told so: because it came so, or because it would break the line.
pub(super) fn echo(key: &[u8], binary: bool) -> Option<String> {
    let breaks = || key.iter().any(|byte| matches!(byte, b' ' | b'\n' | 0));
    (binary || breaks()).then(|| STANDARD.encode(key))
}
