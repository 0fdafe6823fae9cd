//! What one sequence of commands is made of, and how it becomes bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Length of what opens every key of a case; two base64 groups, so that it can be found in base64 keys too.
pub const PREFIX: usize = 6;

/// One sequence: what one client says on one connection.
#[derive(Clone, Debug)]
pub struct Case {
    /// What opens every key, so that cases do not see each other's items. A run may put another in its place.
    pub prefix: [u8; PREFIX],
    /// Said one after the other; the answers to one are awaited before the next is said.
    pub bursts: Vec<Burst>,
    /// How each burst is cut into separate writes.
    pub cuts: Cuts,
}

/// Commands that are sent without waiting for an answer in between.
#[derive(Clone, Debug)]
pub struct Burst {
    pub commands: Vec<Command>,
    pub ending: Ending,
}

/// How the end of the answers to a burst is known without a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every command is framed, so that [`BARRIER`] behind them is answered with [`AT_BARRIER`].
    Barrier,
    /// A value may be awaited: filler that would complete it, then the end of the client's stream, then the
    /// server's. How much of the filler is answered shows how much was swallowed.
    Filler,
    /// The server closes by itself.
    Close,
}

/// Into which writes a burst is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    Nowhere,
    /// At places that this seed gives.
    Random(u64),
    EveryByte,
    /// In two, so far from the start of the first burst.
    At(usize),
}

/// One command, still in words so that it can be made shorter.
#[derive(Clone, Debug)]
pub struct Command {
    pub words: Vec<Word>,
    pub line_end: &'static [u8],
    /// The value behind the line, without its line end.
    pub body: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Bytes(Vec<u8>),
    /// The length of the body.
    Length,
    /// The cas token that the case heard as its `nth`, moved by `offset`, behind `letter` when there is one.
    Cas {
        letter: Option<u8>,
        nth: usize,
        offset: i64,
    },
}

/// Said behind a burst; the key is one that no case stores. `mn` makes memcached send what it holds.
pub const BARRIER: &[u8] = b"mg !nothing Obarrier\r\nmn\r\n";
/// What nothing else ends with.
pub const AT_BARRIER: &[u8] = b"EN Obarrier\r\nMN\r\n";

/// Fills any value of up to 4,000 bytes that is still awaited. No word of it is a command.
pub const FILLER: &[u8] = b"zz\r\n";
pub const FILLERS: usize = 1050;

impl Command {
    pub fn new(line: impl AsRef<[u8]>) -> Self {
        let words = line.as_ref().split(|byte| *byte == b' ').map(|word| Word::Bytes(word.to_vec())).collect();
        Self { words, line_end: b"\r\n", body: None }
    }

    /// Bytes that are no tidy line.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self { words: vec![Word::Bytes(bytes)], line_end: b"", body: None }
    }

    /// The bytes on the wire; `heard` are the cas tokens that earlier bursts brought.
    pub fn render(&self, heard: &[u64], out: &mut Vec<u8>) {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            match word {
                Word::Bytes(bytes) => out.extend_from_slice(bytes),
                Word::Length => out.extend_from_slice(self.body.as_ref().map_or(0, Vec::len).to_string().as_bytes()),
                Word::Cas { letter, nth, offset } => {
                    out.extend(letter);
                    let token = if heard.is_empty() { 1 << 60 } else { heard[nth % heard.len()] };
                    out.extend_from_slice(token.saturating_add_signed(*offset).to_string().as_bytes());
                }
            }
        }
        out.extend_from_slice(self.line_end);
        if let Some(body) = &self.body {
            out.extend_from_slice(body);
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl Burst {
    /// The bytes on the wire with every key under `prefix`.
    pub fn render(&self, own: &[u8; PREFIX], prefix: &[u8; PREFIX], heard: &[u64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for command in &self.commands {
            command.render(heard, &mut bytes);
        }
        if self.ending == Ending::Barrier {
            bytes.extend_from_slice(BARRIER);
        }
        rename(&mut bytes, own, prefix);
        bytes
    }
}

impl Case {
    pub fn commands(&self) -> usize {
        self.bursts.iter().map(|burst| burst.commands.len()).sum()
    }
}

/// A prefix that no other case has: letters and digits from the bits of `number`.
pub fn prefix(number: u64) -> [u8; PREFIX] {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    // An odd factor is a bijection of the lowest 30 bits: neighbours get prefixes that look nothing alike.
    let mixed = number.wrapping_mul(0x2545_f491_4f6c_dd1d);
    std::array::from_fn(|place| DIGITS[(mixed >> (5 * place)) as usize & 31])
}

/// Puts the keys under `old` under `new`, plain ones and those in base64.
pub fn rename(bytes: &mut [u8], old: &[u8; PREFIX], new: &[u8; PREFIX]) {
    replace(bytes, old, new);
    replace(bytes, STANDARD.encode(old).as_bytes(), STANDARD.encode(new).as_bytes());
}

/// Puts `new` wherever `old`, of the same length, stands.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    if old == new {
        return;
    }
    let mut at = 0;
    while at + old.len() <= bytes.len() {
        if &bytes[at..at + old.len()] == old {
            bytes[at..at + old.len()].copy_from_slice(new);
            at += old.len();
        } else {
            at += 1;
        }
    }
}
