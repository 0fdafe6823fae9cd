//! The meta commands: what their flags ask of Redis, and the answer in memcached's words.

use smallvec::SmallVec;

use super::element::Element;
use super::envelope;
use super::expiry::Life;
use super::reply::{NOT_A_NUMBER, Script};
use crate::model::{Expiry, Meta, MetaReply, MetaStatus, MetaVerb};
use crate::wire::{AnswerLine, number};

/// The flags of a command, as far as they decide something here.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `v`
    pub value: bool,
    /// `c`
    pub new_token: bool,
    /// `T`
    pub life: Option<Life>,
    /// `t`, and whether it stands before the `T`: then it asks for the life before.
    pub left: Option<Order>,
    /// `C`
    pub token: Option<u64>,
    /// `F`
    pub client_flags: u32,
    /// `D`
    pub delta: Option<u64>,
    /// `N`: the life of what an `ma` makes.
    pub newborn: Option<Life>,
    /// `J`
    pub initial: u64,
    /// In which order an `ma` has `t`, `T` and `N`.
    pub order: SmallVec<[u8; 3]>,
    /// `M`
    pub mode: Option<u8>,
    /// Whether an `mg` has to see the value.
    sees_value: bool,
}

/// When a time to live is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Before a new one is given.
    Before,
    /// Afterwards, or there is no new one.
    After,
}

/// One command of an `mg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `GET`, or `GETEX` where there is a new life.
    Value,
    /// `TTL`
    Life,
}

/// Whether every flag of `meta` means something on Redis.
pub fn is_supported(meta: &Meta) -> bool {
    let known: &[u8] = match meta.verb {
        MetaVerb::Get => b"bcfkOqstTv",
        MetaVerb::Set => b"bcCFIkMOqsT",
        MetaVerb::Delete => b"bCkOq",
        MetaVerb::Arithmetic => b"bcCDJkMNOqtTv",
        MetaVerb::Debug => return false,
    };
    meta.flags().all(|flag| known.contains(&flag[0]))
}

impl Flags {
    /// Reads the flags of `meta`, whose arguments the front has found to be good.
    pub fn read(meta: &Meta) -> Self {
        let mut flags = Self::default();
        for flag in meta.flags() {
            flags.take(flag[0], &flag[1..]);
        }
        flags
    }

    fn take(&mut self, letter: u8, argument: &[u8]) {
        self.sees_value |= matches!(letter, b'v' | b'c' | b'f' | b's');
        if matches!(letter, b't' | b'T' | b'N') {
            self.order.push(letter);
        }
        match letter {
            b'v' => self.value = true,
            b'c' => self.new_token = true,
            b'T' => self.life = number::signed32(argument).map(|seconds| Expiry(seconds).into()),
            b't' => self.left = Some(if self.life.is_none() { Order::Before } else { Order::After }),
            b'C' => self.token = number::unsigned64(argument),
            b'F' => self.client_flags = number::unsigned32(argument).unwrap_or_default(),
            b'D' => self.delta = number::unsigned64(argument),
            b'N' => self.newborn = number::signed32(argument).map(|seconds| Expiry(seconds).into()),
            b'J' => self.initial = number::unsigned64(argument).unwrap_or_default(),
            b'M' => self.mode = argument.first().copied(),
            _ => {}
        }
    }

    /// The commands of an `mg`, in their order.
    pub fn steps(&self) -> &'static [Step] {
        match (self.life.is_some(), self.sees_value, self.left) {
            (true, _, None) | (false, true, None) => &[Step::Value],
            (true, _, Some(Order::Before)) => &[Step::Life, Step::Value],
            (_, _, Some(Order::After)) | (false, true, Some(Order::Before)) => &[Step::Value, Step::Life],
            (false, false, _) => &[Step::Life],
        }
    }

    /// Whether the item must have a token: one of 0 is none to `ms` and `ma`.
    pub fn demanded_token(&self) -> Option<u64> {
        self.token.filter(|token| *token != 0)
    }

    /// Whether an `ms` compares and swaps; its other modes look at a token as they do, or not at all.
    pub fn swaps(&self) -> Option<u64> {
        self.token.filter(|_| matches!(self.mode, None | Some(b'S' | b'R')))
    }

    /// Whether an `ms` appends (`true`) or prepends.
    pub fn extends(&self) -> Option<bool> {
        match self.mode {
            Some(b'A') => Some(true),
            Some(b'P') => Some(false),
            _ => None,
        }
    }

    /// Whether an `ma` takes away.
    pub fn decrements(&self) -> bool {
        matches!(self.mode, Some(b'D' | b'-'))
    }
}

/// The answer to `meta`, of which `heard` are the replies; `Err` is a line for the client, `None` garbage.
pub fn answer(meta: &Meta, heard: &[Element]) -> Option<Result<MetaReply, &'static [u8]>> {
    let flags = Flags::read(meta);
    match meta.verb {
        MetaVerb::Get => got(meta, &flags, heard).map(Ok),
        MetaVerb::Set => set(meta, &flags, heard).map(Ok),
        MetaVerb::Delete => deleted(meta, heard).map(Ok),
        MetaVerb::Arithmetic => counted(meta, &flags, heard),
        MetaVerb::Debug => None,
    }
}

fn got(meta: &Meta, flags: &Flags, heard: &[Element]) -> Option<MetaReply> {
    let (mut stored, mut left) = (None, -1);
    for (step, element) in flags.steps().iter().zip(heard) {
        match (step, element) {
            (Step::Value, Element::Bulk(None)) => {
                return Some(echoing(meta).reply(MetaStatus::Miss));
            }
            (Step::Value, Element::Bulk(Some(bytes))) => stored = Some(bytes.clone()),
            (Step::Life, Element::Integer(seconds)) => left = *seconds,
            _ => return None,
        }
    }
    if stored.is_none() && left == -2 {
        return Some(echoing(meta).reply(MetaStatus::Miss));
    }
    let stored = stored.unwrap_or_default();
    let (client_flags, value) = envelope::open(stored.clone());
    let (mut line, as_base64) = (AnswerLine::default(), meta.has(b'b'));
    for flag in meta.flags() {
        match flag[0] {
            b's' => line.number(b's', value.len() as u64),
            b't' => line.life(life(left)),
            b'c' => line.number(b'c', envelope::token(&[&stored])),
            b'f' => line.number(b'f', client_flags.into()),
            _ => line.echo(meta, flag, as_base64),
        }
    }
    Some(if flags.value { line.reply_with(value) } else { line.reply(MetaStatus::Done) })
}

fn set(meta: &Meta, flags: &Flags, heard: &[Element]) -> Option<MetaReply> {
    let (status, token, size) = match heard {
        [Element::Status(_)] => (MetaStatus::Done, None, meta.value.len() as u64),
        [Element::Bulk(None)] => (MetaStatus::NotStored, Some(0), meta.value.len() as u64),
        [Element::Integer(outcome), rest @ ..] => {
            let status = match Script::outcome(*outcome)? {
                Script::Done => MetaStatus::Done,
                Script::Missing | Script::NotANumber => MetaStatus::NotStored,
                Script::Exists => MetaStatus::Exists,
                Script::NotFound => MetaStatus::NotFound,
            };
            match rest {
                [Element::Bulk(Some(token)), Element::Integer(size)] => {
                    (status, envelope::token_from(token), u64::try_from(*size).ok()?)
                }
                _ => (status, (status != MetaStatus::Done).then_some(0), meta.value.len() as u64),
            }
        }
        _ => return None,
    };
    let stored_token = || {
        let head = envelope::head(flags.client_flags, &meta.value);
        envelope::token(&[head.as_ref().map_or(&[][..], |head| head), &meta.value])
    };
    let (mut line, as_base64) = (AnswerLine::default(), meta.has(b'b'));
    for flag in meta.flags() {
        match flag[0] {
            b'c' => line.number(b'c', token.unwrap_or_else(stored_token)),
            b's' => line.number(b's', size),
            _ => line.echo(meta, flag, as_base64),
        }
    }
    Some(line.reply(status))
}

fn deleted(meta: &Meta, heard: &[Element]) -> Option<MetaReply> {
    let [Element::Integer(number)] = heard else { return None };
    let status = match (meta.has(b'C'), *number) {
        (false, 1) => MetaStatus::Done,
        (false, 0) => MetaStatus::NotFound,
        (true, outcome) => match Script::outcome(outcome)? {
            Script::Done => MetaStatus::Done,
            Script::Exists => MetaStatus::Exists,
            _ => MetaStatus::NotFound,
        },
        _ => return None,
    };
    Some(echoing(meta).reply(status))
}

fn counted(meta: &Meta, flags: &Flags, heard: &[Element]) -> Option<Result<MetaReply, &'static [u8]>> {
    let (value, left, token) = match heard {
        [Element::Integer(outcome)] => {
            return match Script::outcome(*outcome)? {
                Script::Exists => Some(Ok(echoing(meta).reply(MetaStatus::Exists))),
                Script::NotFound => Some(Ok(echoing(meta).reply(MetaStatus::NotFound))),
                Script::NotANumber => Some(Err(NOT_A_NUMBER)),
                Script::Done | Script::Missing => None,
            };
        }
        [Element::Integer(0), Element::Bulk(Some(value)), Element::Integer(left), Element::Bulk(Some(token))] => {
            (value, left, token)
        }
        _ => return None,
    };
    let (mut line, as_base64) = (AnswerLine::default(), meta.has(b'b'));
    for flag in meta.flags() {
        match flag[0] {
            b't' => line.life(life(*left)),
            b'c' => line.number(b'c', envelope::token_from(token)?),
            _ => line.echo(meta, flag, as_base64),
        }
    }
    Some(Ok(if flags.value { line.reply_with(value.clone()) } else { line.reply(MetaStatus::Done) }))
}

/// What `TTL` answered: -1 is for ever, -2 that the item has gone since it was read.
pub fn life(seconds: i64) -> Option<u64> {
    (seconds != -1).then(|| u64::try_from(seconds).unwrap_or(0))
}

/// What every answer without an item has. The key is base64 where it came so: Redis does not know how an item's came.
fn echoing(meta: &Meta) -> AnswerLine {
    AnswerLine::echoing(meta, meta.has(b'b'))
}
