//! Where items stand: independent shelves, each a cache of its own with one lock for changes.
//!
//! A shelf is one single-shard `quick_cache`, which evicts by CLOCK-PRO: what was used again is kept before
//! what was not. Two rules of that crate are met here and nowhere else: an item near a shard's size is dropped
//! silently (so a shelf is at least [`ITEMS_A_SHELF`] of the largest items), and an item that grows in place evicts
//! nothing (so a change is always an insertion, and the inserted item is pinned meanwhile).

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::item::{Item, mark};
use super::weight::Weigher;
use super::{Options, Usage};
use crate::model::Key;

/// A shelf has room for at least so many of the largest items, unless the whole store has not.
const ITEMS_A_SHELF: usize = 8;
/// More shelves than this buy no less waiting.
const MOST_SHELVES: usize = 1024;
/// The part of a shelf for items that were used again; memcached's default leaves the rest, too, to newcomers.
const HOT: f64 = 0.6;

/// All items of a store.
pub(super) struct Shelves {
    shelves: Box<[Shelf]>,
    /// Makes the places of keys unpredictable, so that no client can pile its keys up in one place.
    seed: u64,
    limit: u64,
    next_to_sweep: AtomicUsize,
    evictions: Arc<AtomicU64>,
}

struct Shelf {
    cache: Cache<Held, Arc<Item>, Weigher, Hashed, Evictions>,
    edit: Mutex<()>,
}

/// The place of one key, whether there is an item or not.
pub(super) struct Spot<'a> {
    shelf: &'a Shelf,
    /// The key's hash, for the item that will stand here.
    pub hash: u64,
    /// The key.
    pub key: &'a [u8],
}

/// The right to change what stands on one shelf: whoever decides by what it finds holds it until it is done.
pub(super) struct Edit<'a> {
    shelf: &'a Shelf,
    _lock: MutexGuard<'a, ()>,
}

impl Shelves {
    pub fn new(options: Options) -> Self {
        let count = shelf_count(options);
        let evictions = Arc::new(AtomicU64::new(0));
        let room = options.memory.div_ceil(count) as u64;
        let shelf = || Shelf { cache: cache(room, evictions.clone()), edit: Mutex::new(()) };
        Self {
            shelves: std::iter::repeat_with(shelf).take(count).collect(),
            seed: fastrand::u64(..),
            limit: options.memory as u64,
            next_to_sweep: AtomicUsize::new(0),
            evictions,
        }
    }

    pub fn spot<'a>(&'a self, key: &'a Key) -> Spot<'a> {
        let key = key.as_bytes();
        let hash = xxh3_64_with_seed(key, self.seed);
        // The table inside a shelf goes by the lowest and the highest bits.
        #[allow(clippy::cast_possible_truncation)]
        let shelf = (hash >> 32) as usize & (self.shelves.len() - 1);
        Spot { shelf: &self.shelves[shelf], hash, key }
    }

    /// Drops what `is_over`, shelf by shelf from where the last call stopped, until about `budget` items were
    /// looked at or every shelf was.
    pub fn sweep(&self, budget: usize, is_over: impl Fn(&Item) -> bool) -> usize {
        let (mut seen, mut dropped) = (0, 0);
        for _ in 0..self.shelves.len() {
            let next = self.next_to_sweep.fetch_add(1, Ordering::Relaxed) % self.shelves.len();
            let shelf = &self.shelves[next];
            for (_, item) in shelf.cache.iter() {
                seen += 1;
                dropped += usize::from(is_over(&item) && shelf.drop_if_still(&item));
            }
            if seen >= budget {
                break;
            }
        }
        dropped
    }

    pub fn usage(&self) -> Usage {
        let caches = || self.shelves.iter().map(|shelf| &shelf.cache);
        Usage {
            items: caches().map(Cache::len).sum(),
            bytes: caches().map(Cache::weight).sum(),
            limit: self.limit,
            evictions: self.evictions.load(Ordering::Relaxed),
            expired: 0,
        }
    }
}

impl Shelf {
    fn drop_if_still(&self, item: &Arc<Item>) -> bool {
        let place = Place { hash: item.hash(), key: item.key() };
        self.cache.remove_if(&place, |found| Arc::ptr_eq(found, item)).is_some()
    }
}

impl<'a> Spot<'a> {
    /// What stands here; counts as a use.
    pub fn find(&self) -> Option<Arc<Item>> {
        self.shelf.cache.get(&self.place())
    }

    /// What stands here; no use.
    pub fn peek(&self) -> Option<Arc<Item>> {
        self.shelf.cache.peek(&self.place())
    }

    /// Removes `item` if it still stands here.
    pub fn drop_if_still(&self, item: &Arc<Item>) -> bool {
        self.shelf.drop_if_still(item)
    }

    /// Waits for the right to change what stands here.
    pub fn edit(&self) -> Edit<'a> {
        // The lock guards no data of its own that a panic could have left half done.
        let lock = self.shelf.edit.lock().unwrap_or_else(PoisonError::into_inner);
        Edit { shelf: self.shelf, _lock: lock }
    }

    fn place(&self) -> Place<'a> {
        Place { hash: self.hash, key: self.key }
    }
}

impl Edit<'_> {
    /// Puts `item` in its place, instead of what stood there, and evicts others where there is no room.
    pub fn put(&self, item: Item) -> Arc<Item> {
        let item = Arc::new(item);
        item.remark(mark::PINNED, 0);
        self.shelf.cache.insert(Held(item.clone()), item.clone());
        item.remark(0, mark::PINNED);
        item
    }

    /// Removes what stands at `spot`, a spot of this shelf.
    pub fn remove(&self, spot: &Spot<'_>) {
        self.shelf.cache.remove(&spot.place());
    }
}

/// An item under its own key.
#[derive(Clone)]
pub(super) struct Held(Arc<Item>);

impl Hash for Held {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash());
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for Held {}

struct Place<'a> {
    hash: u64,
    key: &'a [u8],
}

impl Hash for Place<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Held> for Place<'_> {
    fn equivalent(&self, held: &Held) -> bool {
        self.hash == held.0.hash() && self.key == held.0.key()
    }
}

/// Gives back the hash that was computed once, at the spot.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl BuildHasher for Hashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Places write one `u64` each; whatever else came would still be hashed.
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Counts evictions; keeps what is being put in its place.
#[derive(Clone)]
struct Evictions(Arc<AtomicU64>);

impl Lifecycle<Held, Arc<Item>> for Evictions {
    type RequestState = ();

    fn is_pinned(&self, _: &Held, item: &Arc<Item>) -> bool {
        item.has(mark::PINNED)
    }

    // Called for evictions only, while `on_evict` hears of replacements too.
    fn before_evict(&self, (): &mut (), _: &Held, _: &mut Arc<Item>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn shelf_count(options: Options) -> usize {
    let most = options.memory / options.value_size.saturating_mul(ITEMS_A_SHELF).max(1);
    // Down to a power of two, so that a hash is masked and not divided.
    1 << most.clamp(1, MOST_SHELVES).ilog2()
}

fn cache(room: u64, evictions: Arc<AtomicU64>) -> Cache<Held, Arc<Item>, Weigher, Hashed, Evictions> {
    let options = OptionsBuilder::new()
        .shards(1)
        .weight_capacity(room)
        // It sizes the memory of evicted keys and, with one shard, nothing else; that memory is turned off: a
        // ghost takes a whole slot, which `memory` would have to count.
        .estimated_items_capacity(1)
        .ghost_allocation(0.0)
        .hot_allocation(HOT)
        .build();
    #[allow(clippy::expect_used)] // it fails only where one of the two sizes above is missing
    let options = options.expect("both capacities are given");
    Cache::with_options(options, Weigher, Hashed::default(), Evictions(evictions))
}
