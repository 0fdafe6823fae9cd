//! The line of a meta answer, in memcached's words.

use bytes::Bytes;

use crate::model::{Meta, MetaReply, MetaStatus};
use crate::wire::meta::encode_base64;

/// Collects what stands behind the status: words with one space between two.
#[derive(Debug, Default)]
pub struct Line(Vec<u8>);

impl Line {
    /// What every answer without an item has: the opaque and the key, in the order of the flags.
    pub fn echoing(meta: &Meta) -> Self {
        let mut line = Self::default();
        for flag in meta.flags() {
            line.echo(meta, flag);
        }
        line
    }

    /// The answer to `flag` where it is the opaque or the key.
    pub fn echo(&mut self, meta: &Meta, flag: &[u8]) {
        match flag[0] {
            b'O' => self.word(flag),
            b'k' => self.key(meta),
            _ => {}
        }
    }

    /// The key, as base64 where it came so: Redis does not know how an item's key came.
    fn key(&mut self, meta: &Meta) {
        self.word(b"k");
        if !meta.has(b'b') {
            return self.0.extend_from_slice(meta.key.as_bytes());
        }
        self.0.extend_from_slice(encode_base64(meta.key.as_bytes()).as_bytes());
        self.word(b"b");
    }

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

    /// `t`: what `TTL` answered; -1 is for ever, -2 that the item has gone since it was read.
    pub fn life(&mut self, seconds: i64) {
        match u64::try_from(seconds) {
            Ok(seconds) => self.number(b't', seconds),
            Err(_) if seconds == -1 => self.word(b"t-1"),
            Err(_) => self.word(b"t0"),
        }
    }

    pub fn reply(self, status: MetaStatus) -> MetaReply {
        MetaReply { status, flags: self.0.into(), value: Bytes::new() }
    }

    pub fn reply_with(self, value: Bytes) -> MetaReply {
        MetaReply { status: MetaStatus::Value, flags: self.0.into(), value }
    }
}
