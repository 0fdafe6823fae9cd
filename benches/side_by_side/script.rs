//! What a connection says and must hear.
//!
//! Keys and values have fixed lengths and a value follows from its key, so the answer to a request is known to the byte
//! before it arrives. It is checked as it comes, piece by piece, without being gathered first.

use anyhow::bail;

const KEY: usize = 16;
/// Steps through the keys of a multi-get; prime, so that the keys of one are distinct.
const STRIDE: usize = 7919;

/// The commands of a row.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    Get,
    Set,
    /// Sets so many times in a hundred, and gets.
    Mixed {
        sets: usize,
    },
    /// One `get` of so many keys.
    MultiGet {
        keys: usize,
    },
    MetaGet,
}

/// An answer that is owed.
#[derive(Clone, Copy)]
pub struct Owed {
    first: usize,
    items: usize,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Value,
    Meta,
    Stored,
}

/// Bytes with the key at some places.
struct Template {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

/// The commands of one row over one set of keys.
pub struct Script {
    ask: Ask,
    keys: usize,
    size: usize,
    set: Template,
    value: Template,
    meta: Template,
}

impl Script {
    /// Commands `ask` over `keys` keys with values of `size` bytes, at least 32.
    pub fn new(ask: Ask, keys: usize, size: usize) -> Self {
        let blank = "?".repeat(KEY);
        let value = format!("{blank}{}{blank}", filler(size - 2 * KEY));
        Self {
            ask,
            keys,
            size,
            set: Template::new(&format!("set {blank} 0 0 {size}\r\n{value}\r\n"), &blank),
            value: Template::new(&format!("VALUE {blank} 0 {size}\r\n{value}\r\n"), &blank),
            meta: Template::new(&format!("VA {size}\r\n{value}\r\n"), &blank),
        }
    }

    /// The same keys and values, stored.
    pub fn storing(&self) -> Self {
        Self::new(Ask::Set, self.keys, self.size)
    }

    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Operations that one answer counts for: a multi-get counts each key.
    pub fn operations(&self) -> u64 {
        match self.ask {
            Ask::MultiGet { keys } => keys as u64,
            _ => 1,
        }
    }

    /// Appends the command for key number `first`; `dice` in 0..100 chooses where there is a choice.
    pub fn say(&mut self, first: usize, dice: usize, out: &mut Vec<u8>) -> Owed {
        match self.ask {
            Ask::Set => self.say_set(first, out),
            Ask::Mixed { sets } if dice < sets => self.say_set(first, out),
            Ask::Get | Ask::Mixed { .. } => self.say_get(first, 1, out),
            Ask::MultiGet { keys } => self.say_get(first, keys, out),
            Ask::MetaGet => {
                out.extend_from_slice(b"mg ");
                out.extend_from_slice(&self.key(first));
                out.extend_from_slice(b" v\r\n");
                Owed { first, items: 1, shape: Shape::Meta }
            }
        }
    }

    fn say_get(&self, first: usize, items: usize, out: &mut Vec<u8>) -> Owed {
        out.extend_from_slice(b"get");
        for item in 0..items {
            out.push(b' ');
            out.extend_from_slice(&self.key(first + item * STRIDE));
        }
        out.extend_from_slice(b"\r\n");
        Owed { first, items, shape: Shape::Value }
    }

    fn say_set(&mut self, first: usize, out: &mut Vec<u8>) -> Owed {
        let key = self.key(first);
        out.extend_from_slice(self.set.with(key));
        Owed { first, items: 0, shape: Shape::Stored }
    }

    /// Compares `heard` with the answer `owed` from its byte `at` on; gives the bytes used and whether that was all of it.
    ///
    /// # Errors
    ///
    /// At the first piece that differs, with both.
    pub fn check(&mut self, owed: &Owed, mut at: usize, heard: &[u8]) -> anyhow::Result<(usize, bool)> {
        let mut used = 0;
        loop {
            let (expected, last) = self.rest(owed, at);
            let length = expected.len().min(heard.len() - used);
            let piece = &heard[used..used + length];
            if piece != &expected[..length] {
                bail!("a wrong answer: {} in place of {}", shown(&heard[used..]), shown(expected));
            }
            let whole = length == expected.len();
            used += length;
            at += length;
            if last || !whole {
                return Ok((used, last && whole));
            }
        }
    }

    /// What is left at `at` of the item there, and whether nothing follows it.
    fn rest(&mut self, owed: &Owed, at: usize) -> (&[u8], bool) {
        let (block, tail): (_, &[u8]) = match owed.shape {
            Shape::Value => (&self.value, b"END\r\n"),
            Shape::Meta => (&self.meta, b""),
            Shape::Stored => (&self.set, b"STORED\r\n"),
        };
        let length = block.bytes.len();
        let item = at / length;
        if item >= owed.items {
            return (&tail[at - owed.items * length..], true);
        }
        let key = self.key(owed.first + item * STRIDE);
        let last = item + 1 == owed.items && tail.is_empty();
        let block = match owed.shape {
            Shape::Meta => &mut self.meta,
            _ => &mut self.value,
        };
        (&block.with(key)[at % length..], last)
    }

    /// `v0000100-0000042`: rows with values of another size have other keys.
    fn key(&self, number: usize) -> [u8; KEY] {
        let mut key = *b"v0000000-0000000";
        digits(&mut key[1..8], self.size);
        digits(&mut key[9..16], number % self.keys);
        key
    }
}

impl Template {
    fn new(text: &str, blank: &str) -> Self {
        let places = text.match_indices(blank).map(|(place, _)| place).collect();
        Self { bytes: text.as_bytes().to_vec(), places }
    }

    fn with(&mut self, key: [u8; KEY]) -> &[u8] {
        for &place in &self.places {
            self.bytes[place..place + KEY].copy_from_slice(&key);
        }
        &self.bytes
    }
}

/// The middle of a value; with what a careless reader would take for the end of it.
fn filler(length: usize) -> String {
    "abcdefghijklmnopqrstuvwxyz\r\nEND\r\n".chars().cycle().take(length).collect()
}

fn digits(place: &mut [u8], mut number: usize) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn shown(bytes: &[u8]) -> String {
    let end = bytes.len().min(80);
    format!("\"{}\" ({} bytes)", bytes[..end].escape_ascii(), bytes.len())
}
