//! `mg`, with the lease: who makes a new value when it is missing (`N`), old (`R`) or stale.

use std::sync::Arc;

use super::super::Store;
use super::super::clock::Moment;
use super::super::item::{Item, Label, mark};
use super::super::shelves::Spot;
use super::flags::Flags;
use super::{echoing, is_told_as_base64};
use crate::model::{Meta, MetaReply, MetaStatus};
use crate::wire::AnswerLine;

impl Store {
    pub(super) fn meta_get(&self, meta: &Meta, flags: &Flags, when: Moment) -> MetaReply {
        let spot = self.shelves.spot(&meta.key);
        let changes = flags.create.is_some() || flags.recache.is_some() || flags.life.is_some();
        if !changes {
            match self.met(&spot, flags, when) {
                None => {
                    return echoing(meta, flags).reply(MetaStatus::Miss);
                }
                // A stale item may be won, and only one may win it.
                Some(item) if !item.has(mark::STALE) => return hit(meta, flags, &item, false, when),
                Some(_) => {}
            }
        }
        let edit = spot.edit();
        match (self.met(&spot, flags, when), flags.create) {
            (Some(item), _) => hit(meta, flags, &item, false, when),
            (None, Some(_)) => {
                let item = self.placeholder(&spot, flags, when);
                let reply = hit(meta, flags, &item, true, when);
                edit.put(item); // not before it has its life and its mark: others read it without the lock
                reply
            }
            (None, None) => echoing(meta, flags).reply(MetaStatus::Miss),
        }
    }

    fn met(&self, spot: &Spot<'_>, flags: &Flags, when: Moment) -> Option<Arc<Item>> {
        match flags.quiet_use {
            true => self.live_unmoved(spot, when),
            false => self.live(spot, when),
        }
    }

    /// An empty item that holds the place of the value that the winner will bring. memcached does not note
    /// that its key came as base64.
    fn placeholder(&self, spot: &Spot<'_>, flags: &Flags, when: Moment) -> Item {
        let token = flags.new_token.unwrap_or_else(|| self.token());
        let label = Label { key: spot.key, hash: spot.hash, flags: 0, deadline: 0, token, marks: 0 };
        Item::new(label, &[], when)
    }
}

fn hit(meta: &Meta, flags: &Flags, item: &Item, created: bool, when: Moment) -> MetaReply {
    let mut line = AnswerLine::default();
    let mut won = false;
    for flag in meta.flags() {
        match flag[0] {
            b'T' => flags.life.iter().for_each(|life| item.set_deadline(*life)),
            b'N' if created => {
                flags.create.iter().for_each(|life| item.set_deadline(*life));
                won = true;
            }
            b'R' => won |= !created && is_due(item, flags.recache.unwrap_or(0)),
            b's' => line.number(b's', item.value_len() as u64),
            b't' => line.life(when.left(item.deadline()).map(u64::from)),
            b'c' => line.number(b'c', item.token()),
            b'f' => line.number(b'f', item.flags().into()),
            b'l' => line.number(b'l', when.since(item.last_used()).into()),
            b'h' => line.number(b'h', item.has(mark::FETCHED).into()),
            b'O' => line.word(flag),
            b'k' => line.key(item.key(), is_told_as_base64(item.key(), item.has(mark::BINARY_KEY))),
            _ => {}
        }
    }
    lease(&mut line, item, won);
    if !flags.quiet_use {
        item.note_read(when);
    }
    match flags.value {
        true => line.reply_with(item.value()),
        false => line.reply(MetaStatus::Done),
    }
}

/// Whether the item's life ends before `deadline`, and nobody was told yet.
fn is_due(item: &Item, deadline: u32) -> bool {
    !item.has(mark::TOKEN_SENT) && item.deadline() != 0 && item.deadline() < deadline
}

fn lease(line: &mut AnswerLine, item: &Item, won: bool) {
    let sent = item.has(mark::TOKEN_SENT);
    let stale = item.has(mark::STALE);
    if sent {
        line.word(b"Z");
    }
    if stale {
        line.word(b"X");
    }
    if won || (stale && !sent) {
        line.word(b"W");
        item.remark(mark::TOKEN_SENT, 0);
    }
}
