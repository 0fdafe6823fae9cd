//! `ma`

use std::sync::Arc;

use bytes::Bytes;

use super::super::Store;
use super::super::classic::NOT_A_NUMBER;
use super::super::clock::Moment;
use super::super::counting::{Step, Sum};
use super::super::item::{Item, Label};
use super::super::shelves::{Edit, Spot};
use super::flags::Flags;
use super::{echoes_base64, echoing};
use crate::model::{Meta, MetaReply, MetaStatus};
use crate::wire::AnswerLine;

const BAD_MODE: &str = "CLIENT_ERROR invalid mode for ma M token";

/// A number that was reached, and the item that holds it.
struct Reached {
    value: u64,
    item: Arc<Item>,
    /// Made by this command.
    created: bool,
    /// Whether a new life reaches the item. When a number outgrows its item, memcached gives the new life to
    /// the old item, which is gone.
    takes_life: bool,
}

impl Store {
    pub(super) fn meta_arithmetic(&self, meta: &Meta, flags: &Flags, when: Moment) -> Result<MetaReply, &'static str> {
        let decrement = match flags.mode {
            None | Some(b'I' | b'+') => false,
            Some(b'D' | b'-') => true,
            Some(_) => return Err(BAD_MODE),
        };
        let step = Step {
            decrement,
            delta: flags.delta.unwrap_or(1),
            token: flags.token.unwrap_or(0),
            new_token: flags.new_token,
        };
        let spot = self.shelves.spot(&meta.key);
        let edit = spot.edit();
        let reached = match self.count(&spot, &edit, step, when) {
            Sum::NotANumber => return Err(NOT_A_NUMBER),
            Sum::Exists => {
                return Ok(echoing(meta, flags).reply(MetaStatus::Exists));
            }
            Sum::NotFound if flags.create.is_none() => {
                return Ok(echoing(meta, flags).reply(MetaStatus::NotFound));
            }
            Sum::NotFound => self.begin(&spot, &edit, flags, when),
            Sum::Done { value, item, grown } => Reached { value, item, created: false, takes_life: !grown },
        };
        // The lives that `answer` sets belong to the change: the lock is held until they are.
        let reply = answer(meta, flags, &reached, when);
        drop(edit);
        Ok(reply)
    }

    fn begin(&self, spot: &Spot<'_>, edit: &Edit<'_>, flags: &Flags, when: Moment) -> Reached {
        let token = flags.new_token.unwrap_or_else(|| self.token());
        let label = Label { key: spot.key, hash: spot.hash, flags: 0, deadline: 0, token, marks: 0 };
        let digits = itoa::Buffer::new().format(flags.initial).to_owned();
        let item = edit.put(Item::new(label, &[digits.as_bytes()], when));
        Reached { value: flags.initial, item, created: true, takes_life: true }
    }
}

fn answer(meta: &Meta, flags: &Flags, reached: &Reached, when: Moment) -> MetaReply {
    let (mut line, as_base64) = (AnswerLine::default(), echoes_base64(meta, flags));
    let mut deadline = reached.item.deadline();
    for flag in meta.flags() {
        match flag[0] {
            b'c' => line.number(b'c', reached.item.token()),
            b't' => line.life(when.left(deadline).map(u64::from)),
            b'T' => deadline = flags.life.unwrap_or(deadline),
            b'N' if reached.created => deadline = flags.create.unwrap_or(deadline),
            _ => line.echo(meta, flag, as_base64),
        }
    }
    if reached.takes_life {
        reached.item.set_deadline(deadline);
    }
    match flags.value {
        true => line.reply_with(Bytes::copy_from_slice(itoa::Buffer::new().format(reached.value).as_bytes())),
        false => line.reply(MetaStatus::Done),
    }
}
