//! Random cases: commands that are valid, odd and malformed, classic and meta mixed.
//!
//! What memcached itself answers differently from run to run is left out, with the reason where it is left out:
//! - A `decr` in place pads with blanks unless an `mg` of the same item is still unsent, when it makes a new
//!   item: within a burst a number is read by `mg` or changed, not both ([`Burst`] roles).
//! - What is still unsent is lost when memcached closes, when it waits for a value that never comes, and when
//!   it refuses an over-long key in `get`: what is malformed stands behind a barrier ([`super::malform`]).
//! - Whether a line of 2,049 to 16,384 bytes that is no `get` is refused depends on how it arrived: longer or
//!   shorter only.
//! - `incr` looks past the end of a value for the sign of a number over 2⁶³, and for the first digit when the
//!   value is all blank, into what earlier items left there: no number grows so large, no value is only blanks.
//! - Times to live are so long, or so past, that no second boundary within a case matters.
//!
//! And what ketch does otherwise on purpose:
//! - `ma` with `q` and `N` is hidden when it succeeds; memcached shows it when it made the item, which the answer
//!   without `q` (what a node is asked for) does not tell.
//! - `mg`, and `ma` with a time, whose opaque is too long: memcached has carried out the flags before the opaque
//!   when it finds that, and not those behind.
//! - A key in base64 whose item `mg` or `ma` made by `N` comes back raw from memcached, and in base64 from ketch
//!   where no line could carry it.
//! - Flags and meanings that came after the memcached at hand (1.6.18), which ketch has: `E` and `x`,
//!   `s` and `N` of `ms`.

use fastrand::Rng;

use super::case::{Burst, Case, Command, Cuts, Ending, PREFIX, Word, prefix};
use super::meta;

/// The generator of one case.
pub struct Generator {
    pub random: Rng,
    pub prefix: [u8; PREFIX],
    /// Whether `flush_all` may be said: not where other cases use the same servers.
    flush: bool,
    /// Within this burst `mg` may read the number items; otherwise arithmetic may change them.
    pub numbers_are_read_by_meta: bool,
    /// Whether expiries must stay far from now when bytes of them are lost.
    pub sturdy: bool,
}

/// Case `number` of the run with `seed`. Only where it is `alone` with its servers it may say `flush_all`, and be
/// malformed, since a damaged key may be that of another case.
pub fn case(seed: u64, number: u64, alone: bool) -> Case {
    let mut random = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
    // The first few draws of neighbouring seeds are alike.
    for _ in 0..4 {
        random.u64(..);
    }
    let prefix = prefix(number.wrapping_add(seed << 24));
    let cuts = match random.u8(0..20) {
        0 => Cuts::EveryByte,
        1..=7 => Cuts::Nowhere,
        _ => Cuts::Random(random.u64(..)),
    };
    let mut generator = Generator { random, prefix, flush: alone, numbers_are_read_by_meta: false, sturdy: false };
    let mut bursts: Vec<Burst> = (0..generator.random.usize(1..=4)).map(|_| generator.burst()).collect();
    match generator.random.u8(0..24) {
        0..=11 if alone => bursts.push(generator.malformed_burst()),
        12 => bursts.push(generator.closing_burst()),
        _ => {}
    }
    Case { prefix, bursts, cuts }
}

impl Generator {
    fn burst(&mut self) -> Burst {
        self.numbers_are_read_by_meta = self.random.bool();
        let commands = (0..self.random.usize(1..=10)).map(|_| self.command()).collect();
        Burst { commands, ending: Ending::Barrier }
    }

    /// A framed command: its answer does not depend on what follows.
    pub fn command(&mut self) -> Command {
        let mut command = match self.random.u8(0..100) {
            0..=15 => self.get(),
            16..=39 => self.store(),
            40..=45 => self.delete(),
            46..=53 => self.arithmetic(),
            54..=58 => self.touch(),
            59..=92 => meta::command(self),
            _ => self.other(),
        };
        if command.body.is_none() && self.random.u8(0..40) == 0 {
            command.line_end = b"\n";
        }
        command
    }

    fn get(&mut self) -> Command {
        let verb = self.pick(&["get", "get", "get", "gets", "gets", "gat", "gats"]);
        let mut line = verb.as_bytes().to_vec();
        if verb.starts_with("gat") {
            let expiry = self.expiry();
            line.extend_from_slice(&[b" ", expiry.as_bytes()].concat());
        }
        let count = match self.random.u8(0..20) {
            0 => 0,
            1 if !verb.starts_with("gat") => self.random.usize(20..60),
            2..=9 => self.random.usize(2..6),
            _ => 1,
        };
        for _ in 0..count {
            line.push(b' ');
            line.extend(self.key());
        }
        Command::new(line)
    }

    fn store(&mut self) -> Command {
        let verb = self.pick(&["set", "set", "set", "set", "add", "replace", "append", "prepend", "cas"]);
        let number = self.random.u8(0..3) == 0;
        let key = if number { self.number_key() } else { self.text_key() };
        let mut command = Command::new([verb.as_bytes(), b" ", &key].concat());
        let flags = self.pick(&["0", "0", "1", "42", "65536", "4294967295", "4294967296", "+7", "007"]);
        let expiry = self.valid_expiry();
        command.words.extend([bytes(flags), bytes(expiry), Word::Length]);
        if verb == "cas" {
            command.words.push(self.cas_token(None));
        }
        if self.random.u8(0..8) == 0 {
            command.words.push(bytes("noreply"));
        }
        let mut body = if number { self.number() } else { self.value() };
        if verb == "cas" {
            // Behind a token that is none it is taken for lines, and a long one for a line that is closed.
            body.truncate(1400);
        }
        command.body = Some(body);
        command
    }

    fn delete(&mut self) -> Command {
        let tail = self.pick(&["", "", "", " noreply", " 0", " 0 noreply", " 5", " 0 0", " noreply 0"]);
        Command::new([b"delete ", &self.key()[..], tail.as_bytes()].concat())
    }

    fn arithmetic(&mut self) -> Command {
        let verb = self.pick(&["incr ", "decr "]);
        let delta = self.delta();
        let tail = self.pick(&["", "", "", "", " noreply", " x"]);
        let key = self.changed_number_key();
        Command::new([verb.as_bytes(), &key, b" ", delta.as_bytes(), tail.as_bytes()].concat())
    }

    fn touch(&mut self) -> Command {
        let expiry = self.expiry();
        let tail = self.pick(&["", "", "", " noreply", " 1"]);
        Command::new([b"touch ", &self.key()[..], b" ", expiry.as_bytes(), tail.as_bytes()].concat())
    }

    fn other(&mut self) -> Command {
        let key = String::from_utf8_lossy(&self.text_key()).into_owned();
        match self.random.u8(0..10) {
            0 => Command::new("mn"),
            1 => Command::new(self.pick(&["version", "version x", "VERSION", "version noreply"])),
            2 => Command::new(self.pick(&["stats", "stats settings", "stats items", "stats slabs", "stats reset"])),
            3 => Command::new(self.pick(&[
                "verbosity 0",
                "verbosity 1",
                "verbosity",
                "verbosity x",
                "verbosity 0 noreply",
            ])),
            4 => Command::new(self.pick(&["shutdown", "shutdown graceful", "shutdown x", "stats nosuch"])),
            5 | 6 if self.flush => Command::new(self.pick(&[
                "flush_all",
                "flush_all 0",
                "flush_all noreply",
                "flush_all 0 noreply",
                "flush_all -99",
                "flush_all x",
                "flush_all x noreply",
                "flush_all 0 0",
                "flush_all 0 0 0",
            ])),
            5 => Command::raw(b"\r\n".to_vec()),
            6 => Command::raw(b"\n".to_vec()),
            7 => Command::new(format!("{} {key}", self.pick(&["GET", "Get", "nosuch", "g", "gett", "xget", "bget"]))),
            8 => Command::new(self.pick(&[
                "get",
                "gets",
                "gat",
                "gat 0",
                "set",
                "add",
                "cas",
                "delete",
                "incr",
                "decr",
                "touch",
                "mg",
                "ms",
                "md",
                "ma",
                "me",
                "mx",
                "m",
                "mgx",
                "set a",
                "set a 0 0",
                "incr a",
                "touch a",
                "cas a 0 0 1",
                "replace a 0",
            ])),
            _ => {
                let odd = self.pick(&[
                    "  get  KEY ",
                    " get KEY",
                    "get  KEY",
                    "get KEY ",
                    "get\tKEY",
                    "get KEY\tx",
                    "\tget KEY",
                ]);
                Command::new(odd.replace("KEY", &String::from_utf8_lossy(&self.prefix)))
            }
        }
    }

    /// Any key of the case.
    fn key(&mut self) -> Vec<u8> {
        if self.random.u8(0..4) == 0 { self.number_key() } else { self.text_key() }
    }

    /// The key of an item whose value is text.
    pub fn text_key(&mut self) -> Vec<u8> {
        let tail: &[u8] = match self.random.u8(0..16) {
            0..=5 => b"",
            6..=9 => b"a",
            10..=11 => b"bc",
            12 => "\u{fc}\u{20ac}".as_bytes(),
            13 => b"\x01\x7f\xff",
            14 => &[b'z'; 250 - PREFIX],
            _ => b":/%{}",
        };
        [&self.prefix, tail].concat()
    }

    /// The key of an item whose value is mostly a number.
    pub fn number_key(&mut self) -> Vec<u8> {
        let tail = self.pick(&["n", "n", "n1"]);
        [&self.prefix[..], tail.as_bytes()].concat()
    }

    /// The key of a number that may be changed in this burst, or of text, which refuses to be.
    pub fn changed_number_key(&mut self) -> Vec<u8> {
        if self.numbers_are_read_by_meta || self.random.u8(0..10) == 0 { self.text_key() } else { self.number_key() }
    }

    pub fn value(&mut self) -> Vec<u8> {
        match self.random.u8(0..16) {
            0 | 1 => Vec::new(),
            2..=7 => (0..self.random.usize(1..12)).map(|_| self.random.lowercase() as u8).collect(),
            8 => vec![b'v'; self.random.usize(12..300)],
            // Shorter than a line that is closed, where it may be taken for one.
            9 => vec![b'w'; self.random.usize(300..if self.sturdy { 1400 } else { 2500 })],
            10 => b"a\r\nEND\r\n".to_vec(),
            11 => b"VALUE x 0 1\r\n".to_vec(),
            12 => b"\r\n.".to_vec(),
            13 => b"x\0\xff\x80\n\r".to_vec(),
            14 => b"HD\r\nSTORED\r\n".to_vec(),
            _ => b"get x\r\n".to_vec(),
        }
    }

    /// A value that `incr` takes, or just does not.
    pub fn number(&mut self) -> Vec<u8> {
        let numbers = [
            "0",
            "1",
            "9",
            "10",
            "10",
            "99",
            "100",
            "007",
            "5 ",
            " 5",
            "5 x",
            "5x",
            "x",
            "",
            "1.5",
            "+3",
            "100000000000000000",
            "18446744073709551616",
            "123456789012345678901234567890",
        ];
        self.pick(&numbers).as_bytes().to_vec()
    }

    pub fn delta(&mut self) -> &'static str {
        self.pick(&[
            "1",
            "1",
            "1",
            "0",
            "9",
            "10",
            "100",
            "100000000000000000",
            "18446744073709551616",
            "-1",
            "x",
            "1x",
            "+1",
            "01",
            "1.5",
        ])
    }

    /// A time to live that is understood.
    pub fn valid_expiry(&mut self) -> &'static str {
        if self.sturdy {
            return self.pick(&["0", "0", "99999", "-99"]);
        }
        self.pick(&[
            "0",
            "0",
            "0",
            "0",
            "1000",
            "100000",
            "2592000",
            "2592001",
            "2147483647",
            "4102444800",
            "-99",
            "+1000",
        ])
    }

    /// A time to live, understood or not.
    pub fn expiry(&mut self) -> &'static str {
        if self.random.u8(0..8) > 0 {
            return self.valid_expiry();
        }
        self.pick(&["x", "1000x", "9223372036854775808", "4294967296", "-9223372036854775809", "0x99", "9e9"])
    }

    /// A cas token that was heard, or one that never is right.
    pub fn cas_token(&mut self, letter: Option<u8>) -> Word {
        let offset = *self.random.choice(&[0, 0, 0, 0, 1 << 40]).expect("there are five");
        match self.random.u8(0..8) {
            0 => {
                // 1 is older than any; a token near one that was heard may be that of another key.
                let odd = self.pick(&["0", "1", "1", "18446744073709551615", "18446744073709551616", "99999999999999"]);
                Word::Bytes(letter.into_iter().chain(odd.bytes()).collect())
            }
            _ => Word::Cas { letter, nth: self.random.usize(0..8), offset },
        }
    }

    pub fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.random.usize(0..from.len())]
    }
}

fn bytes(text: &str) -> Word {
    Word::Bytes(text.as_bytes().to_vec())
}
