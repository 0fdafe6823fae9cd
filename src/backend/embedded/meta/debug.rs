//! `me`: what is known of an item.

use super::super::clock::Moment;
use super::super::item::{Item, mark};
use super::super::{Store, limits};
use super::is_told_as_base64;
use crate::model::{Meta, MetaReply, MetaStatus};
use crate::wire::AnswerLine;

impl Store {
    pub(super) fn meta_debug(&self, meta: &Meta, when: Moment) -> MetaReply {
        match self.live_unmoved(&self.shelves.spot(&meta.key), when) {
            Some(item) => described(&item, when),
            None => AnswerLine::default().reply(MetaStatus::Miss),
        }
    }
}

/// `exp` is the seconds since the item's end (below 0: until it; -1, too, for never), `la` those since its
/// last use. `cls` and `size` are what memcached's own would be: there are no slabs here.
fn described(item: &Item, when: Moment) -> MetaReply {
    let size = limits::size(item);
    let exp = match item.deadline() {
        0 => -1,
        deadline => i64::from(when.at) - i64::from(deadline),
    };
    let fetched = if item.has(mark::FETCHED) { "yes" } else { "no" };
    let figures = format!(
        "exp={exp} la={} cas={} fetch={fetched} cls={} size={size}",
        when.since(item.last_used()),
        item.token(),
        limits::class(size),
    );
    let as_base64 = is_told_as_base64(item.key(), item.has(mark::BINARY_KEY));
    let mut line = AnswerLine::default();
    line.name(item.key(), as_base64);
    line.word(figures.as_bytes());
    line.reply(MetaStatus::Debug)
}
