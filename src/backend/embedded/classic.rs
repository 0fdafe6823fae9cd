//! The classic commands.

use std::sync::Arc;

use super::clock::Moment;
use super::counting::{Step, Sum};
use super::item;
use super::shelves::Spot;
use super::storing::{Outcome, Wish};
use super::{Store, refused};
use crate::model;
use crate::model::{Arithmetic, Expiry, Item, Key, Read, Reply, StoreMode};

pub(super) const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
pub(super) const NOT_A_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";

impl Store {
    pub(super) fn read(&self, read: &Read, when: Moment) -> Reply {
        let one = |key: &Key| {
            let item = match read.touch {
                None => self.read_one(&self.shelves.spot(key), when),
                Some(expiry) => self.read_and_touch(key, expiry, when),
            }?;
            Some(Item { flags: item.flags(), cas: read.cas.then(|| item.token()), value: item.value() })
        };
        Reply::Items(read.keys.as_slice().iter().map(one).collect())
    }

    fn read_one(&self, spot: &Spot<'_>, when: Moment) -> Option<Arc<item::Item>> {
        let item = self.live(spot, when)?;
        item.note_read(when);
        Some(item)
    }

    fn read_and_touch(&self, key: &Key, expiry: Expiry, when: Moment) -> Option<Arc<item::Item>> {
        let spot = self.shelves.spot(key);
        // Without it a life given to an item that another worker is just then replacing would be lost.
        let _edit = spot.edit();
        let item = self.read_one(&spot, when)?;
        item.set_deadline(when.deadline(expiry));
        Some(item)
    }

    pub(super) fn touch(&self, key: &Key, expiry: Expiry, when: Moment) -> Reply {
        match self.read_and_touch(key, expiry, when) {
            Some(_) => Reply::Touched,
            None => Reply::NotFound,
        }
    }

    pub(super) fn store_classic(&self, store: &model::Store, when: Moment) -> Reply {
        let wish = Wish {
            mode: store.mode,
            flags: store.flags,
            deadline: when.deadline(store.expiry),
            value: &store.value,
            binary_key: false,
            token: 0,
            new_token: None,
            or_stale: false,
            or_create: false,
            too_large_removes: store.mode == StoreMode::Set,
        };
        match self.store(&self.shelves.spot(&store.key), wish, when) {
            Outcome::Stored(_) => Reply::Stored,
            Outcome::NotStored => Reply::NotStored,
            Outcome::Exists => Reply::Exists,
            Outcome::NotFound => Reply::NotFound,
            Outcome::TooLarge => refused(TOO_LARGE),
        }
    }

    pub(super) fn delete(&self, key: &Key, when: Moment) -> Reply {
        let spot = self.shelves.spot(key);
        let edit = spot.edit();
        match self.live_unmoved(&spot, when) {
            Some(_) => {
                edit.remove(&spot);
                Reply::Deleted
            }
            None => Reply::NotFound,
        }
    }

    pub(super) fn arithmetic(&self, arithmetic: &Arithmetic, when: Moment) -> Reply {
        let spot = self.shelves.spot(&arithmetic.key);
        let step = Step { decrement: arithmetic.decrement, delta: arithmetic.delta, token: 0, new_token: None };
        match self.count(&spot, &spot.edit(), step, when) {
            Sum::Done { value, .. } => Reply::Number(value),
            Sum::NotANumber => refused(NOT_A_NUMBER),
            Sum::NotFound | Sum::Exists => Reply::NotFound,
        }
    }
}
