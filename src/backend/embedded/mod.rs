//! A cache inside this process that answers as memcached 1.6.18 does, to the byte.
//!
//! A [`Store`] takes a [`Request`] and gives its [`Reply`] at once; one store is shared by all workers. It
//! knows no socket and no clock: the time is an argument. What it must not know: who asks, which of several
//! nodes it is, how the command was spelled.
//!
//! ```text
//! carry_out ── classic ─┐
//!     │                 ├── storing, counting ── shelves (items, locks, eviction) ── item
//!     └────── meta ─────┘            │
//!                          clock, flush, limits
//! ```
//!
//! Reads take no lock but the short read lock of one shelf. Everything that changes an item or decides by
//! what it finds holds the shelf's edit lock from the look to the change, so that two workers never lose an
//! update.
//!
//! The oracle is memcached 1.6.18 (its source, and runs of it). These things differ, on purpose:
//!
//! - flags that it refuses or ignores and that ketch promises have the meaning of newer releases: `E`
//!   (the new cas token) on all meta commands, `x` on `md`, `s` on `ms`, `N` on an appending or prepending `ms`;
//! - a key that came as base64 and that no line could carry is always echoed as base64, also where
//!   memcached forgets how it came and would break the line.
//!
//! And these, because memcached's answer hangs on what its other threads or its memory happen to be doing:
//!
//! - a number that fits into its old length is always written over it (padded, marks kept); memcached makes
//!   a new item while another client or its own LRU thread holds the old one;
//! - a value of 2⁶³ or more counts unless it holds a minus itself; memcached looks for one behind its end too;
//! - a large value that is prepended to a small one is stored whole; memcached stores foreign memory there;
//! - `l` and `la` move with every read but the first; memcached moves them when its LRU thread comes round;
//! - an item that a flush covered comes back when a later `flush_all` takes the flush's place, as in
//!   memcached, but only while neither a read nor a sweep met it; memcached's sweeps come at other times.

mod classic;
mod clock;
mod counting;
mod flush;
mod item;
mod limits;
mod meta;
mod number;
mod shelves;
mod storing;
#[cfg(test)]
mod tests;
mod weight;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::model::{Reply, Request};
use clock::{Clock, Moment};
use flush::Flush;
use item::Item;
use limits::Limits;
use shelves::{Shelves, Spot};

pub use clock::Now;

/// Tokens are given out by the process and not by the store: a store that takes the place of another (after
/// a change of the configuration) never gives a token that a client may still hold for what was there before.
static TOKENS: AtomicU64 = AtomicU64::new(0);

/// What a store is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes that items may hold in memory, their overhead counted.
    pub memory: usize,
    /// The largest item in bytes as memcached's `-I` counts it: key, value and 59 to 63 bytes of header.
    /// Never more than half of `memory`, as in memcached.
    pub value_size: usize,
}

/// What a store holds and what became of the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Items that are held, expired ones that nobody met yet among them.
    pub items: usize,
    /// Bytes that they hold, overhead included.
    pub bytes: u64,
    /// Bytes that they may hold.
    pub limit: u64,
    /// Items dropped for want of room, since the start.
    pub evictions: u64,
    /// Items dropped because their time was over or by `flush_all`, since the start.
    pub expired: u64,
}

/// One in-process node: a cache bounded by bytes, for all workers.
pub struct Store {
    shelves: Shelves,
    clock: Clock,
    flush: Flush,
    limits: Limits,
    tokens: &'static AtomicU64,
    expired: AtomicU64,
}

impl Store {
    /// An empty store. It takes no memory before there are items.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self::counting_from(options, &TOKENS)
    }

    fn counting_from(options: Options, tokens: &'static AtomicU64) -> Self {
        Self {
            shelves: Shelves::new(options),
            clock: Clock::default(),
            flush: Flush::default(),
            limits: Limits::new(options),
            tokens,
            expired: AtomicU64::new(0),
        }
    }

    /// Carries out `request` at the time `now` and answers it; never [`Reply::Failed`].
    ///
    /// Blocks for no longer than other threads hold a shelf: a look-up, or the copy of one value.
    #[must_use]
    pub fn carry_out(&self, request: &Request, now: Now) -> Reply {
        let when = self.clock.moment(now);
        match request {
            Request::Read(read) => self.read(read, when),
            Request::Store(store) => self.store_classic(store, when),
            Request::Delete(key) => self.delete(key, when),
            Request::Arithmetic(arithmetic) => self.arithmetic(arithmetic, when),
            Request::Touch { key, expiry } => self.touch(key, *expiry, when),
            Request::Meta(meta) | Request::Lease(meta) => self.meta(meta, when),
            Request::FlushAll { delay } => {
                self.flush.order(delay.unwrap_or_default(), when, || self.token());
                Reply::Ok
            }
        }
    }

    /// Drops items that are over, so that they do not hold memory for ever; answers how many.
    ///
    /// Looks at about `budget` items, at least one shelf of them, and goes on from there at the next call. It
    /// holds a lock for one item at a time.
    pub fn sweep(&self, now: Now, budget: usize) -> usize {
        let when = self.clock.moment(now);
        let dropped = self.shelves.sweep(budget, |item| self.is_over(item, when));
        self.expired.fetch_add(dropped as u64, Ordering::Relaxed);
        dropped
    }

    /// The figures of this moment. Takes every shelf's read lock in turn.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { expired: self.expired.load(Ordering::Relaxed), ..self.shelves.usage() }
    }

    /// The next cas token.
    fn token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn is_over(&self, item: &Item, when: Moment) -> bool {
        item.is_expired(when) || self.flush.covers(item, when)
    }

    /// The item at `spot` unless it is over, in which case it is dropped.
    ///
    /// It counts as a use for eviction.
    fn live(&self, spot: &Spot<'_>, when: Moment) -> Option<Arc<Item>> {
        self.unless_over(spot.find()?, spot, when)
    }

    /// As [`Store::live`], but no use.
    fn live_unmoved(&self, spot: &Spot<'_>, when: Moment) -> Option<Arc<Item>> {
        self.unless_over(spot.peek()?, spot, when)
    }

    fn unless_over(&self, item: Arc<Item>, spot: &Spot<'_>, when: Moment) -> Option<Arc<Item>> {
        if !self.is_over(&item, when) {
            return Some(item);
        }
        if spot.drop_if_still(&item) {
            self.expired.fetch_add(1, Ordering::Relaxed);
        }
        None
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

fn refused(line: &'static str) -> Reply {
    Reply::Refused(Bytes::from_static(line.as_bytes()))
}
