//! What an item costs: the figure that `memory` is compared with.

use quick_cache::Weighter;

use super::item::Item;
use super::shelves::Held;
use std::sync::Arc;

/// Bytes besides key and value: the item itself (64) and its two counts (16), its slot in the cache's slab
/// (40, and the slab grows by doubling), its place in the hash table (about 8), the count of its value (32) once
/// it was read, and what the allocator keeps for itself. Measured: a full store of 64 MiB with values of 10, 100,
/// 1,000 or 1 to 3,000 bytes holds between 0.95 and 1.1 times that in resident memory under mimalloc.
const OVERHEAD: usize = 200;

/// Weighs items by the bytes that they hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weigher;

impl Weighter<Held, Arc<Item>> for Weigher {
    fn weight(&self, _: &Held, item: &Arc<Item>) -> u64 {
        // Size classes are an eighth apart, and holes between items of different sizes take as much again.
        let bytes = item.len() + item.len() / 8;
        (bytes + OVERHEAD) as u64
    }
}
