//! A list in which each member is repeated by its weight, for modula and jump.

/// The list, kept as the end of each member's run, so that a weight of a million costs no more than 1.
pub(super) struct Slots {
    /// Member and the slot behind its last, in the order of the list.
    runs: Vec<(usize, u64)>,
}

impl Slots {
    /// The list of `order`, each member repeated by its weight (`weight` 1 or more).
    pub(super) fn new(order: &[usize], weight: impl Fn(usize) -> u32) -> Self {
        let mut end = 0;
        let runs = order.iter().map(|member| {
            end += u64::from(weight(*member));
            (*member, end)
        });
        Self { runs: runs.collect() }
    }

    /// `hash` modulo the length of the list, as twemproxy's `modula` (`nc_modula.c`). O(log members).
    #[inline]
    pub(super) fn modula(&self, hash: u64) -> usize {
        self.member(hash % self.len())
    }

    /// Jump consistent hash over the list: of all keys, only those of the added slots move when the list grows at
    /// its end. A weight raised elsewhere than on the last member shifts the slots behind it. O(log slots).
    #[inline]
    pub(super) fn jump(&self, hash: u64) -> usize {
        self.member(jump(hash, self.len()))
    }

    /// The share of each of `members` under [`Slots::modula`] for hashes that are uniform over `bits` bits: exact.
    pub(super) fn modula_shares(&self, members: usize, bits: u32) -> Vec<f64> {
        let space = 1_u128 << bits;
        let len = u128::from(self.len());
        // How many of the hashes fall on a slot before `end`.
        let below = |end: u64| u128::from(end) * (space / len) + u128::from(end).min(space % len);
        self.shares(members, |start, end| ratio(below(end) - below(start), space))
    }

    /// The share of each of `members` under [`Slots::jump`]: its part of the list. Exact for a uniform hash of many
    /// bits.
    pub(super) fn jump_shares(&self, members: usize) -> Vec<f64> {
        self.shares(members, |start, end| ratio((end - start).into(), self.len().into()))
    }

    fn shares(&self, members: usize, share: impl Fn(u64, u64) -> f64) -> Vec<f64> {
        let mut shares = vec![0.0; members];
        let mut start = 0;
        for (member, end) in &self.runs {
            shares[*member] = share(start, *end);
            start = *end;
        }
        shares
    }

    fn member(&self, slot: u64) -> usize {
        self.runs[self.runs.partition_point(|(_, end)| *end <= slot)].0
    }

    fn len(&self) -> u64 {
        self.runs.last().map_or(0, |(_, end)| *end)
    }
}

fn ratio(part: u128, whole: u128) -> f64 {
    part as f64 / whole as f64
}

/// Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014, figure 1.
fn jump(mut key: u64, buckets: u64) -> u64 {
    let mut bucket = 0;
    let mut next = 0;
    while next < buckets {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) as f64 * ((1_u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as u64;
    }
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modula_repeats_each_member_by_its_weight() {
        let weights = [2, 1, 3];
        let slots = Slots::new(&[1, 0, 2], |member| weights[member]);
        let owners: Vec<usize> = (0..8).map(|hash| slots.modula(hash)).collect();
        assert_eq!(owners, [1, 0, 0, 2, 2, 2, 1, 0]);
    }

    #[test]
    fn modula_shares_count_every_hash() {
        let slots = Slots::new(&[0, 1, 2], |_| 1);
        assert_eq!(slots.modula_shares(3, 3), [3.0 / 8.0, 3.0 / 8.0, 2.0 / 8.0]);
        let many = Slots::new(&[0, 1], |_| 6);
        assert_eq!(many.modula_shares(2, 3), [6.0 / 8.0, 2.0 / 8.0]);
    }

    /// The vectors that Guava and other implementations of the paper test themselves with.
    #[test]
    fn jump_is_the_papers() {
        for (key, buckets, bucket) in [(0, 1, 0), (10_863_919_174_838_991, 11, 6), (2_016_238_256_797_177_309, 11, 3)] {
            assert_eq!(jump(key, buckets), bucket);
        }
    }
}
