//! `md`: gone, stale (`I`), or empty (`x`).

use super::super::Store;
use super::super::clock::Moment;
use super::super::item::{Item, Label, mark};
use super::super::shelves::Spot;
use super::echoing;
use super::flags::Flags;
use crate::model::{Meta, MetaReply, MetaStatus};

impl Store {
    pub(super) fn meta_delete(&self, meta: &Meta, flags: &Flags, when: Moment) -> MetaReply {
        echoing(meta, flags).reply(self.take_out(&self.shelves.spot(&meta.key), flags, when))
    }

    fn take_out(&self, spot: &Spot<'_>, flags: &Flags, when: Moment) -> MetaStatus {
        let edit = spot.edit();
        let Some(mut item) = self.live_unmoved(spot, when) else {
            return MetaStatus::NotFound;
        };
        if flags.token.is_some_and(|token| token != item.token()) {
            return MetaStatus::Exists;
        }
        if flags.remove_value {
            let label = Label {
                key: spot.key,
                hash: spot.hash,
                flags: flags.client_flags,
                deadline: flags.life.unwrap_or(0),
                token: flags.new_token.unwrap_or_else(|| item.token()),
                marks: 0,
            };
            item = edit.put(Item::new(label, &[], when));
        }
        match (flags.invalidate, flags.remove_value) {
            (true, _) => self.invalidate(&item, flags),
            (false, true) => {}
            (false, false) => edit.remove(spot),
        }
        MetaStatus::Done
    }

    /// Marks the item stale, and lets the next reader win it.
    fn invalidate(&self, item: &Item, flags: &Flags) {
        flags.life.iter().for_each(|life| item.set_deadline(*life));
        item.remark(mark::STALE, mark::TOKEN_SENT);
        item.set_token(flags.new_token.unwrap_or_else(|| self.token()));
    }
}
