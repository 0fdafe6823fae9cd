//! `flush_all`: not a walk over the items, but a line in time.
//!
//! The rules are memcached's, oddities included: an order for later takes the place of one that has already
//! struck, and `flush_all 1` covers what is stored in the rest of this second.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::clock::Moment;
use super::item::Item;
use crate::model::Expiry;

/// The last `flush_all`.
#[derive(Debug, Default)]
pub(super) struct Flush {
    /// Items last used in this second or before are covered as soon as it has come; 0 for no order.
    line: AtomicU32,
    /// And so are items whose token is lower, whenever they were used; 0 for none.
    token: AtomicU64,
}

impl Flush {
    /// Orders a flush. `token` gives the next cas token; it is asked only when the line has come already.
    pub fn order(&self, delay: Expiry, when: Moment, token: impl FnOnce() -> u64) {
        let line = if delay.0 > 0 { when.deadline(delay) } else { when.at }.saturating_sub(1);
        if line <= when.at {
            self.token.store(token(), Ordering::Release);
        }
        self.line.store(line, Ordering::Release);
    }

    pub fn covers(&self, item: &Item, when: Moment) -> bool {
        let line = self.line.load(Ordering::Acquire);
        if line == 0 || line > when.at {
            return false;
        }
        // A token of 0 can only be one that a client chose; memcached takes it for none.
        item.last_used() <= line || (1..self.token.load(Ordering::Acquire)).contains(&item.token())
    }
}
