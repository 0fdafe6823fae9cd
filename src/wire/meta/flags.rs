//! The flags of a meta command, judged in memcached's order and with its words.

use bytes::Bytes;

use super::{BAD_FORMAT, base64};
use crate::model::{Key, Meta, MetaVerb};
use crate::wire::number;

/// The longest opaque, in bytes, its `O` among them.
const MAX_OPAQUE: usize = 32;

/// A node would close the connection on a line over 2,048 bytes; so much of one is left to the flags. Only numbers
/// with hundreds of leading zeros need more.
const MAX_FLAGS: usize = 1024;

const BAD_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format";

/// What the flags of one command say.
#[derive(Default)]
pub struct Flags {
    /// As the node is to get them: without `q`, `P`, `L`, an opaque over the limit, and without junk behind flags that take no argument.
    text: Vec<u8>,
    /// The decoded key, where the flags have `b`.
    decoded: Option<Vec<u8>>,
    /// `q`
    pub quiet: bool,
    /// The letter of `M`.
    pub mode: Option<u8>,
    /// The number of `F`.
    pub client_flags: u32,
    /// Whether `O` is over the limit: judged later than the rest, and not for the node.
    pub opaque_is_long: bool,
}

impl Flags {
    /// Reads the flags of a `verb` on the key `token`.
    ///
    /// # Errors
    /// memcached's line. It stops at a flag that is unknown or there twice; of other errors the last is told.
    pub fn read(verb: MetaVerb, token: &[u8], words: &[&[u8]]) -> Result<Self, &'static [u8]> {
        let mut flags = Self::default();
        let mut seen = 0_u128;
        let mut refused = None;
        for word in words {
            let letter = word[0];
            if letter >= 127 || seen & (1 << letter) != 0 {
                return Err(b"CLIENT_ERROR duplicate flag");
            }
            seen |= 1 << letter;
            if !is_known(verb, word) {
                return Err(b"CLIENT_ERROR invalid flag");
            }
            match flags.take(token, word) {
                Ok(()) => {}
                // A bad `F` has no words of its own.
                Err(None) => refused = refused.or(Some(BAD_FORMAT)),
                Err(line) => refused = line,
            }
        }
        refused.map_or(Ok(flags), Err)
    }

    /// One flag; `Err(None)` when it is wrong but says nothing about it.
    fn take(&mut self, token: &[u8], word: &[u8]) -> Result<(), Option<&'static [u8]>> {
        let argument = &word[1..];
        match word[0] {
            b'q' => self.quiet = true,
            b'P' | b'L' => {}
            b'b' => {
                self.decoded = Some(base64::decode(token).ok_or(Some(&b"CLIENT_ERROR error decoding key"[..]))?);
                self.push(b"b");
            }
            b'O' if word.len() > MAX_OPAQUE => self.opaque_is_long = true,
            b'O' | b'E' => self.push(word),
            b'N' | b'T' | b'R' => self.number(word, number::signed32(argument).is_some(), BAD_TOKEN)?,
            b'C' => self.number(word, number::unsigned64(argument).is_some(), BAD_TOKEN)?,
            b'J' => {
                let line = b"CLIENT_ERROR invalid numeric initial value";
                self.number(word, number::unsigned64(argument).is_some(), line)?;
            }
            b'D' => {
                let line = b"CLIENT_ERROR invalid numeric delta value";
                self.number(word, number::unsigned64(argument).is_some(), line)?;
            }
            b'F' => {
                self.client_flags = number::unsigned32(argument).ok_or(None)?;
                self.push(word);
            }
            b'M' => {
                let [mode] = argument else { return Err(Some(b"CLIENT_ERROR incorrect length for M token")) };
                self.mode = Some(*mode);
                self.push(word);
            }
            _ => self.push(&word[..1]),
        }
        Ok(())
    }

    fn number(&mut self, word: &[u8], is_good: bool, line: &'static [u8]) -> Result<(), Option<&'static [u8]>> {
        if !is_good {
            return Err(Some(line));
        }
        self.push(word);
        Ok(())
    }

    fn push(&mut self, word: &[u8]) {
        if !self.text.is_empty() {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(word);
    }

    /// The command on the key `token`, still without a value.
    ///
    /// # Errors
    /// A line for the client: the flags are too long for a node, or the key is none.
    pub fn into_meta(self, verb: MetaVerb, token: &[u8]) -> Result<Meta, &'static [u8]> {
        if self.text.len() > MAX_FLAGS {
            return Err(BAD_FORMAT);
        }
        let key = Key::new(self.decoded.as_deref().unwrap_or(token)).map_err(|_| BAD_FORMAT)?;
        Ok(Meta { verb, key, token: Bytes::copy_from_slice(token), flags: Bytes::from(self.text), value: Bytes::new() })
    }
}

/// Whether memcached 1.6.18 knows the flag, whatever the verb; and `E` and `x`, which later ones have: an older
/// node refuses these itself.
fn is_known(verb: MetaVerb, word: &[u8]) -> bool {
    match word[0] {
        b'E' => number::unsigned64(&word[1..]).is_some(),
        b'x' => verb == MetaVerb::Delete,
        letter => b"bNTRlOPLkstcfvhuqFCMJDI".contains(&letter),
    }
}
