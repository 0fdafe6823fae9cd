//! One client's bytes cut into commands.

use std::rc::Rc;

use bytes::Bytes;

use super::command::{Closing, Command, Spelling};
use super::inbox::Inbox;
use super::word::Words;
use super::{classic, meta};
use crate::model::{Expiry, Key, Meta, Request, Store, StoreMode};

/// The longest line of a `get` or `gets`, in bytes: 1 MiB. memcached has no limit there.
pub const MAX_READ_LINE: usize = 1024 * 1024;

/// memcached waits no longer for the end of any other line, in bytes.
const MAX_LINE: usize = 2048;

/// The first byte of memcached's binary protocol.
const BINARY: u8 = 0x80;

/// Cuts one client's bytes into [`Command`]s.
///
/// Its memory is a line offset and, between a storage command's line and its value, the head of that command.
#[derive(Debug)]
pub struct CommandDecoder {
    value_size: usize,
    /// What an awaited value still lacks.
    wanted: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has been read yet.
    Start,
    /// In a line, of which so many bytes have no line end.
    Line { scanned: usize },
    /// Behind the line of a storage command.
    Value(Box<Awaited>),
    /// So many bytes of a refused value are still to come.
    Swallow { left: usize },
    /// Closed.
    Closed,
}

/// A storage command whose line has been read.
#[derive(Debug)]
pub(super) struct Awaited {
    pub head: Head,
    /// The value's length, without its line end.
    pub len: usize,
}

/// What the line of a storage command said.
#[derive(Debug)]
pub(super) enum Head {
    Classic { mode: StoreMode, key: Key, flags: u32, expiry: Expiry, silent: bool },
    Meta { meta: Box<Meta>, quiet: bool },
}

/// What a line came to.
pub(super) enum Parsed {
    /// A whole command.
    Command(Command),
    /// A value follows.
    Awaits(Awaited),
    /// A command, and a value of so many bytes (with its line end) that nobody wants.
    Swallows(Command, usize),
}

impl From<Command> for Parsed {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl CommandDecoder {
    /// A decoder at the start of a connection. `value_size` is memcached's `-I`: the largest item in bytes, with
    /// the item's own overhead as memcached 1.6.18 counts it.
    #[must_use]
    pub fn new(value_size: usize) -> Self {
        Self { value_size, wanted: 0, state: State::Start }
    }

    /// From the next command on, this is the largest item.
    pub fn allow(&mut self, value_size: usize) {
        self.value_size = value_size;
    }

    /// Takes the next command off the front of `buffer`; `None` when more bytes are needed.
    ///
    /// Bad input is a [`Command`] too. Consumes what it has understood: call it again until it says `None`.
    pub fn decode(&mut self, buffer: &mut Inbox) -> Option<Command> {
        loop {
            match &mut self.state {
                State::Start => {
                    if *buffer.first()? == BINARY {
                        return Some(self.close(Closing::Binary, buffer));
                    }
                    self.state = State::Line { scanned: 0 };
                }
                State::Line { scanned } => {
                    if *scanned == 0 {
                        if let Some((command, len)) = classic::plain_get(buffer) {
                            buffer.advance(len);
                            return Some(command);
                        }
                        if let Some((awaited, len)) = classic::plain_set(buffer, self.value_size) {
                            buffer.advance(len);
                            match self.await_value(awaited, buffer) {
                                None => continue,
                                command => return command,
                            }
                        }
                    }
                    let Some(end) = memchr::memchr(b'\n', buffer.get(*scanned..)?).map(|at| at + *scanned) else {
                        *scanned = buffer.len();
                        return long_line(buffer).map(|closing| self.close(closing, buffer));
                    };
                    *scanned = 0;
                    if let Some(command) = self.line(buffer, end) {
                        return Some(command);
                    }
                }
                State::Value(awaited) => {
                    self.wanted = (awaited.len + 2).saturating_sub(buffer.len());
                    return if self.wanted > 0 { None } else { self.value(buffer) };
                }
                State::Swallow { left } => {
                    let step = (*left).min(buffer.len());
                    buffer.advance(step);
                    *left -= step;
                    if *left > 0 {
                        return None;
                    }
                    self.state = State::Line { scanned: 0 };
                }
                State::Closed => return None,
            }
        }
    }

    /// Gives up, for want of memory, what [`Self::decode`] waits for: memcached's answer to it. A value is swallowed,
    /// what came of it and what is still to come; a line of more than 2,048 bytes is the end of the connection.
    ///
    /// `None` when nothing of size is awaited. To be called when [`Self::decode`] has said `None` to this `buffer`.
    pub fn abandon(&mut self, buffer: &mut Inbox) -> Option<Command> {
        match std::mem::replace(&mut self.state, State::Line { scanned: 0 }) {
            State::Value(awaited) => {
                self.state = State::Swallow { left: awaited.len + 2 };
                self.wanted = 0;
                Some(awaited.head.refuse(NO_MEMORY))
            }
            State::Line { scanned } if scanned > MAX_LINE => Some(self.close(Closing::LongRead, buffer)),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// How many bytes of an awaited value (with its line end) were not in the buffer when [`Self::decode`] last
    /// said `None`: a hint for the next read. It is below `value_size`; what a client merely announces should
    /// still not be allocated at once.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// The line that ends at `end`. `None` when it opens a value that is not whole yet.
    #[inline]
    fn line(&mut self, buffer: &mut Inbox, end: usize) -> Option<Command> {
        let line = match &buffer[..end] {
            // A lone CR is a word of its own to memcached.
            [_, .., b'\r'] => &buffer[..end - 1],
            line => line,
        };
        let parsed = parse(line, self.value_size);
        buffer.advance(end + 1);
        match parsed {
            Parsed::Command(Command::Close(closing)) => Some(self.close(closing, buffer)),
            Parsed::Command(command) => Some(command),
            Parsed::Awaits(awaited) => self.await_value(awaited, buffer),
            Parsed::Swallows(command, left) => {
                self.state = State::Swallow { left };
                Some(command)
            }
        }
    }

    /// The command whose value is the next, if that is whole.
    #[inline]
    fn await_value(&mut self, awaited: Awaited, buffer: &mut Inbox) -> Option<Command> {
        if buffer.len() >= awaited.len + 2 {
            return Some(awaited.complete(buffer));
        }
        // The loop comes by the state once more and sees what is wanted.
        self.state = State::Value(Box::new(awaited));
        None
    }

    /// The awaited value, which is whole.
    fn value(&mut self, buffer: &mut Inbox) -> Option<Command> {
        match std::mem::replace(&mut self.state, State::Line { scanned: 0 }) {
            State::Value(awaited) => Some(awaited.complete(buffer)),
            _ => None,
        }
    }

    fn close(&mut self, closing: Closing, buffer: &mut Inbox) -> Command {
        buffer.clear();
        self.state = State::Closed;
        Command::Close(closing)
    }
}

#[inline]
fn parse(line: &[u8], value_size: usize) -> Parsed {
    let mut words = Words::new(line);
    match words.next() {
        Some([b'm', letter]) => meta::parse(*letter, words, value_size),
        Some(name) => classic::parse(name, words, value_size),
        None => Command::Refuse(b"ERROR").into(),
    }
}

/// Whether memcached would wait no longer for the end of this line.
fn long_line(line: &[u8]) -> Option<Closing> {
    if line.len() <= MAX_LINE {
        return None;
    }
    let spaces = line.iter().take(101).take_while(|byte| **byte == b' ').count();
    let name = &line[spaces..];
    if spaces > 100 || !(name.starts_with(b"get ") || name.starts_with(b"gets ")) {
        return Some(Closing::LongLine);
    }
    (line.len() > MAX_READ_LINE).then_some(Closing::LongRead)
}

/// What memcached says to an item for which it finds no memory.
const NO_MEMORY: &[u8] = b"SERVER_ERROR out of memory storing object";

/// What memcached says to an item of more than `-I`.
pub(super) const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache";

/// Whether memcached could not hold such an item: 48 bytes of header, 8 of cas token, the key with a closing
/// zero, 4 of flags where they are not 0, and the value with its line end, against `-I`.
pub(super) fn too_large(key: &Key, flags: u32, len: usize, value_size: usize) -> bool {
    let flags = if flags == 0 { 0 } else { 4 };
    48 + 8 + key.as_bytes().len() + 1 + flags + len + 2 > value_size
}

impl Awaited {
    /// Takes the value, which is whole, off `buffer`.
    #[inline]
    fn complete(self, buffer: &mut Inbox) -> Command {
        let len = self.len;
        let ends_well = buffer[len..].starts_with(b"\r\n");
        if !ends_well {
            buffer.advance(len + 2);
            return self.head.bad_chunk();
        }
        let value = buffer.take(len);
        buffer.advance(2);
        self.head.with(value)
    }
}

impl Head {
    fn with(self, value: Bytes) -> Command {
        match self {
            Self::Classic { mode, key, flags, expiry, silent } => Command::Ask {
                request: Rc::new(Request::Store(Box::new(Store { mode, key, flags, expiry, value }))),
                spelling: if silent { Spelling::Silent } else { Spelling::Line },
            },
            Self::Meta { mut meta, quiet } => {
                meta.value = value;
                let spelling = Spelling::Meta { verb: meta.verb, quiet };
                Command::Ask { request: Rc::new(Request::Meta(meta)), spelling }
            }
        }
    }

    /// The item is not stored. memcached does not leave an old one behind a `set` or `ms`.
    fn refuse(self, line: &'static [u8]) -> Command {
        match self {
            Self::Classic { mode: StoreMode::Set, key, silent, .. } => Command::Ask {
                request: Rc::new(Request::Delete(key)),
                spelling: if silent { Spelling::Silent } else { Spelling::Says(line) },
            },
            Self::Classic { silent: true, .. } => Command::Silence,
            Self::Classic { .. } => Command::Refuse(line),
            Self::Meta { meta, .. } => {
                Command::Ask { request: Rc::new(Request::Delete(meta.key)), spelling: Spelling::Says(line) }
            }
        }
    }

    fn bad_chunk(self) -> Command {
        match self {
            Self::Classic { silent: true, .. } => Command::Silence,
            Self::Classic { .. } | Self::Meta { .. } => Command::Refuse(b"CLIENT_ERROR bad data chunk"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the decoder, which waits for more behind `said`, makes of it when there is no memory.
    fn abandoned(said: &str) -> (CommandDecoder, Inbox, Option<Command>) {
        let (mut decoder, mut buffer) = (CommandDecoder::new(1024 * 1024), Inbox::from(said.as_bytes()));
        assert_eq!(decoder.decode(&mut buffer), None);
        let command = decoder.abandon(&mut buffer);
        (decoder, buffer, command)
    }

    #[test]
    fn an_abandoned_value_is_swallowed_and_the_old_item_goes() {
        let request = Rc::new(Request::Delete(Key::new(b"k").unwrap()));
        let told = Some(Command::Ask { request: request.clone(), spelling: Spelling::Says(NO_MEMORY) });
        let silent = Some(Command::Ask { request, spelling: Spelling::Silent });
        for (line, answer) in [
            ("set k 0 0 10", told.clone()),
            ("set k 0 0 10 noreply", silent),
            ("ms k 10 q", told),
            ("add k 0 0 10", Some(Command::Refuse(NO_MEMORY))),
            ("add k 0 0 10 noreply", Some(Command::Silence)),
        ] {
            let (mut decoder, mut buffer, command) = abandoned(&format!("{line}\r\nmn\r\n"));
            assert_eq!(command, answer, "{line}");
            assert_eq!(decoder.decode(&mut buffer), None);
            assert!(buffer.is_empty());
            buffer.end().extend_from_slice(b"123456\r\nmn\r\n");
            assert_eq!(decoder.decode(&mut buffer), Some(Command::MetaNoop));
        }
    }

    #[test]
    fn an_abandoned_line_ends_the_connection_if_it_is_long() {
        let (mut decoder, mut buffer, command) = abandoned("get a b");
        assert_eq!(command, None);
        buffer.end().extend_from_slice(b"\r\n");
        assert!(matches!(decoder.decode(&mut buffer), Some(Command::Ask { .. })));
        let (_, buffer, command) = abandoned(&format!("get {}", "key ".repeat(1000)));
        assert_eq!(command, Some(Command::Close(Closing::LongRead)));
        assert!(buffer.is_empty());
    }
}
