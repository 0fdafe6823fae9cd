//! What a Redis server answers, in memcached's words.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::element::{Element, Elements};
use super::{envelope, lease, meta, request};
use crate::model::{FailureKind, Item, Read, Reply, Request};
use crate::wire::decoder::TOO_LARGE;
use crate::wire::found::Found;
use crate::wire::node::Garbage;
use crate::wire::number;

/// What memcached says to `incr` on text.
pub const NOT_A_NUMBER: &[u8] = b"CLIENT_ERROR cannot increment or decrement non-numeric value";

/// The most elements that a script answers.
const MOST: usize = 8;

/// So much of an error is told to a client, in bytes.
const SHOWN: usize = 200;

/// What the first number of a script's answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    Done,
    /// Nothing to append to.
    Missing,
    Exists,
    NotFound,
    NotANumber,
}

impl Script {
    pub fn outcome(number: i64) -> Option<Self> {
        [Self::Done, Self::Missing, Self::Exists, Self::NotFound, Self::NotANumber]
            .get(usize::try_from(number).ok()?)
            .copied()
    }
}

/// Cuts one server's bytes into [`Reply`]s. Beside the elements of an unfinished reply it holds a few numbers.
#[derive(Debug)]
pub struct ReplyDecoder {
    elements: Elements,
    /// How many elements the reply at hand still lacks, as far as is known; none is at hand at 0.
    left: usize,
    /// The reply at hand has had its array.
    in_array: bool,
    /// What a classic read has come to.
    found: Found,
    /// What was heard to anything but a classic read.
    heard: SmallVec<[Element; 4]>,
    /// The first error among the elements.
    error: Option<Bytes>,
    lacks_script: bool,
}

impl ReplyDecoder {
    /// At the start of a connection. A value over `value_size` bytes is dropped.
    #[must_use]
    pub fn new(value_size: usize) -> Self {
        Self {
            elements: Elements::new(value_size.saturating_add(envelope::HEAD)),
            left: 0,
            in_array: false,
            found: Found::default(),
            heard: SmallVec::new(),
            error: None,
            lacks_script: false,
        }
    }

    /// Reads the reply to `asked`, the oldest unanswered request, behind the first `read` bytes of `buffer`; `None` when
    /// more bytes are needed. What is understood is left there, and `read` tells how much that is: one step forward for
    /// many replies costs less than one for each. The next call must be for the same request until it is answered.
    ///
    /// # Errors
    /// [`Garbage`]: nothing more can be read from this connection.
    pub fn decode_behind(
        &mut self,
        read: &mut usize,
        asked: &Request,
        buffer: &mut BytesMut,
    ) -> Result<Option<Reply>, Garbage> {
        if self.left == 0 {
            self.left = request::replies(asked);
        }
        while self.left > 0 {
            let Some(element) = self.elements.next(buffer, read)? else { return Ok(None) };
            self.take(asked, element)?;
        }
        let reply = self.reply(asked)?;
        Ok(Some(reply))
    }

    /// The reply that these elements come to, and whether the server lacks the script.
    ///
    /// # Errors
    /// [`Garbage`], when they answer something else.
    pub fn compose(
        asked: &Request,
        elements: impl IntoIterator<Item = Element>,
        value_size: usize,
    ) -> Result<(Reply, bool), Garbage> {
        let mut decoder = Self::new(value_size);
        decoder.left = request::replies(asked);
        for element in elements {
            let element = match element {
                Element::Bulk(Some(bytes)) if bytes.len() > value_size + envelope::HEAD => Element::TooLarge,
                element => element,
            };
            decoder.take(asked, element)?;
        }
        let reply = decoder.reply(asked)?;
        Ok((reply, decoder.lacks_script))
    }

    #[inline]
    fn take(&mut self, asked: &Request, element: Element) -> Result<(), Garbage> {
        self.left = self.left.checked_sub(1).ok_or(Garbage("more than was asked for"))?;
        match (element, asked) {
            (Element::Array(len), _) => self.expect(asked, len)?,
            (Element::Error(line), _) => self.fail(asked, &line),
            (element, Request::Read(read)) => self.item(read, element)?,
            (element, _) => self.heard.push(element),
        }
        Ok(())
    }

    /// How many bytes of an awaited value were not in the buffer when [`Self::decode_behind`] last said `None`.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.elements.wanted()
    }

    /// The bytes of the values that an unfinished read has come to so far.
    #[must_use]
    pub fn held(&self) -> usize {
        self.found.held()
    }

    /// Drops what the unfinished read has come to, and what is still to come of it: its reply will be a failure for
    /// want of memory. To be called while [`Self::held`] is not 0.
    pub fn give_up(&mut self) {
        self.found.give_up();
    }

    /// Whether the last reply says that the server does not know a script: nothing was carried out, and the request
    /// is to be said again with the script whole.
    #[must_use]
    pub fn lacks_script(&self) -> bool {
        self.lacks_script
    }

    fn expect(&mut self, asked: &Request, len: usize) -> Result<(), Garbage> {
        // Nothing that is asked is answered by an array in an array; such ones could go on without an end.
        let is_inner = std::mem::replace(&mut self.in_array, true);
        let fits = match asked {
            _ if is_inner => false,
            Request::Read(read) => read.touch.is_none() && len == read.keys.as_slice().len(),
            _ => len <= MOST,
        };
        self.left += if fits { len } else { return Err(Garbage("an array of another length")) };
        Ok(())
    }

    fn fail(&mut self, asked: &Request, line: &[u8]) {
        self.error.get_or_insert_with(|| refusal(line));
        if let Request::Read(read) = asked {
            self.found.push(None, read.keys.as_slice().len());
        }
    }

    #[inline]
    fn item(&mut self, read: &Read, element: Element) -> Result<(), Garbage> {
        let item = match element {
            Element::Bulk(None) => None,
            Element::Bulk(Some(stored)) => {
                let cas = read.cas.then(|| envelope::token(&[&stored]));
                let (flags, value) = envelope::open(stored);
                Some(Item { flags, cas, value })
            }
            Element::TooLarge => {
                if let Some(line) = self.found.push_too_large(read.keys.as_slice().len()) {
                    self.error = Some(Bytes::from_static(line));
                }
                return Ok(());
            }
            _ => return Err(Garbage("an item that is none")),
        };
        self.found.push(item, read.keys.as_slice().len());
        Ok(())
    }

    fn reply(&mut self, asked: &Request) -> Result<Reply, Garbage> {
        const GARBAGE: Garbage = Garbage("what answers nothing that was asked");
        let (found, heard, error) = (self.found.take(), std::mem::take(&mut self.heard), self.error.take());
        self.lacks_script = error.as_ref().is_some_and(|line| line.starts_with(b"SERVER_ERROR NOSCRIPT"));
        self.in_array = false;
        let Some(items) = found else { return Ok(Reply::never_sent(FailureKind::Memory)) };
        if let Some(line) = error {
            return Ok(Reply::Refused(line));
        }
        if heard.contains(&Element::TooLarge) {
            return Ok(Reply::Refused(Bytes::from_static(TOO_LARGE)));
        }
        match asked {
            Request::Read(read) => match items.len() == read.keys.as_slice().len() {
                true => Ok(Reply::Items(items)),
                false => Err(GARBAGE),
            },
            Request::Meta(asked) => match meta::answer(asked, &heard).ok_or(GARBAGE)? {
                Ok(reply) => Ok(Reply::Meta(reply)),
                Err(line) => Ok(Reply::Refused(Bytes::from_static(line))),
            },
            Request::Lease(asked) => lease::answer(asked, &heard).map(Reply::Meta).ok_or(GARBAGE),
            asked => classic(asked, &heard).ok_or(GARBAGE),
        }
    }
}

/// The reply to anything but a read or a meta command.
fn classic(asked: &Request, heard: &[Element]) -> Option<Reply> {
    let reply = match (asked, heard) {
        (Request::Store(_), [Element::Status(_)]) => Reply::Stored,
        (Request::Store(_), [Element::Bulk(None)]) => Reply::NotStored,
        (Request::Store(_), [Element::Integer(outcome), ..]) => match Script::outcome(*outcome)? {
            Script::Done => Reply::Stored,
            Script::Missing => Reply::NotStored,
            Script::Exists => Reply::Exists,
            Script::NotFound => Reply::NotFound,
            Script::NotANumber => return None,
        },
        (Request::Delete(_), [Element::Integer(gone)]) => match gone {
            0 => Reply::NotFound,
            _ => Reply::Deleted,
        },
        // The last says whether there is an item: `EXPIRE` itself, or `EXISTS` behind `PERSIST`.
        (Request::Touch { .. }, [.., Element::Integer(there)]) => match there {
            0 => Reply::NotFound,
            _ => Reply::Touched,
        },
        (Request::Arithmetic(_), [Element::Integer(0), Element::Bulk(Some(number)), ..]) => {
            Reply::Number(number::plain(number)?)
        }
        (Request::Arithmetic(_), [Element::Integer(outcome)]) => match Script::outcome(*outcome)? {
            Script::NotFound => Reply::NotFound,
            Script::NotANumber => Reply::Refused(Bytes::from_static(NOT_A_NUMBER)),
            _ => return None,
        },
        (Request::FlushAll { .. }, [Element::Status(_)]) => Reply::Ok,
        _ => return None,
    };
    Some(reply)
}

/// An error of Redis's as a line of memcached's protocol: its first word is Redis's own.
fn refusal(line: &[u8]) -> Bytes {
    let line = line.get(..SHOWN).unwrap_or(line);
    let shown = line.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte });
    b"SERVER_ERROR ".iter().copied().chain(shown).collect::<Vec<_>>().into()
}
