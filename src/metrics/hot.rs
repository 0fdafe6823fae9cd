//! The busiest keys, by a sample and a bounded sketch.
//!
//! One key in about [`STRIDE`] is looked at, so that the rest cost a subtraction. What is looked at goes into a
//! Space-Saving table (Metwally, Agrawal and El Abbadi, 2005): a key that has more than 1/[`ROOM`] of the sample is
//! always in it, and no count is too high by more than the smallest one.

use std::sync::{Mutex, PoisonError, TryLockError};

use xxhash_rust::xxh3::xxh3_64;

use super::Gauge;
use crate::model::Key;

/// One key in so many is looked at, on average.
const STRIDE: u64 = 64;
/// How many keys are kept.
const ROOM: usize = 64;
/// After so many looks all counts are halved, so that what was hot an hour ago is forgotten.
const MEMORY: u64 = 8192;

/// The busiest keys of one worker in one pool. One writer; anybody may read.
#[derive(Debug, Default)]
pub struct HotKeys {
    /// Keys until the next look.
    until: Gauge,
    sketch: Mutex<Sketch>,
}

#[derive(Debug, Default)]
struct Sketch {
    counts: Vec<Count>,
    looks: u64,
}

#[derive(Debug)]
struct Count {
    /// Of the key: looking through them all is quick where most differ at first sight.
    hash: u64,
    key: Key,
    count: u64,
}

impl HotKeys {
    /// Sees the keys of one request; looks at few of them.
    #[inline]
    pub fn see(&self, keys: &[Key]) {
        let (until, seen) = (self.until.value(), keys.len() as u64);
        if seen < until {
            return self.until.set(until - seen);
        }
        self.look(keys, until);
    }

    #[cold]
    fn look(&self, keys: &[Key], until: u64) {
        // Strides of one length would always meet the same keys of a load that goes in circles.
        self.until.set(fastrand::u64(1..STRIDE * 2));
        let place = usize::try_from(until.saturating_sub(1)).unwrap_or_default();
        let Some(key) = keys.get(place).or(keys.last()) else { return };
        match self.sketch.try_lock() {
            Ok(mut sketch) => sketch.count(key),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().count(key),
            Err(TryLockError::WouldBlock) => {} // somebody reads: one look fewer
        }
    }

    /// The keys and how often each was used lately, about, in requests.
    #[must_use]
    pub fn counts(&self) -> Vec<(Key, u64)> {
        let sketch = self.sketch.lock().unwrap_or_else(PoisonError::into_inner);
        sketch.counts.iter().map(|one| (one.key.clone(), one.count * STRIDE)).collect()
    }
}

impl Sketch {
    fn count(&mut self, key: &Key) {
        self.looks += 1;
        if self.looks.is_multiple_of(MEMORY) {
            self.counts.iter_mut().for_each(|one| one.count /= 2);
            self.counts.retain(|one| one.count > 0);
        }
        let hash = xxh3_64(key.as_bytes());
        if let Some(known) = self.counts.iter_mut().find(|one| one.hash == hash && one.key == *key) {
            known.count += 1;
        } else if self.counts.len() < ROOM {
            self.counts.push(Count { hash, key: key.clone(), count: 1 });
        } else if let Some(least) = self.counts.iter_mut().min_by_key(|one| one.count) {
            *least = Count { hash, key: key.clone(), count: least.count + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hot_key_stands_out_among_a_million_others_and_the_room_is_bounded() {
        let hot = HotKeys::default();
        let key = |name: String| Key::new(name.as_bytes()).unwrap();
        for number in 0..100_000 {
            hot.see(&[key(format!("cold{number}")), key("hot".into()), key(format!("cool{}", number % 1000))]);
        }
        let mut counts = hot.counts();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        assert_eq!(counts[0].0, key("hot".into()));
        assert!(counts.len() <= ROOM);
    }
}
