//! What an item costs: the figure that `memory` is compared with.

use quick_cache::Weighter;

use super::item::Item;
use super::shelves::Held;
use std::sync::Arc;

/// Bytes besides key and value: the item itself (64) and its two counts (16), its slot in the cache's slab
/// (40), its place in the hash table (about 8), the count of its value (32) once it was read, and what the
/// allocator rounds up.
const OVERHEAD: usize = 176;

/// Weighs items by the bytes that they hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weigher;

impl Weighter<Held, Arc<Item>> for Weigher {
    fn weight(&self, _: &Held, item: &Arc<Item>) -> u64 {
        // Allocators keep size classes an eighth apart; half a step is lost on average.
        let bytes = item.len() + item.len() / 16;
        (bytes + OVERHEAD) as u64
    }
}
