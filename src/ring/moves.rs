//! What share of the keys has another owner under another ring: from whom to whom.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::owners::Ring;

/// The share of the key space that each pair of an old and a new owner has; the sum is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Moves {
    /// By the old owner and the new one, as the two rings number them; pairs that have nothing are left out.
    pub shares: BTreeMap<(usize, usize), f64>,
    /// Of how many keys it was counted; `None` where it is exact.
    pub sampled: Option<u32>,
}

impl Moves {
    /// Compares two rings: exactly where both have points and place keys by the same hash (the length of the arcs),
    /// else by `samples` keys, always the same ones.
    ///
    /// Exact means for keys that the hash spreads evenly.
    #[must_use]
    pub fn between(old: &Ring, new: &Ring, samples: u32) -> Self {
        if let Some(shares) = arcs(old, new) {
            return Self { shares, sampled: None };
        }
        let mut counts = BTreeMap::<_, u32>::new();
        for number in 0..samples {
            let key = sample(number);
            *counts.entry((old.owner(old.hash(&key)), new.owner(new.hash(&key)))).or_default() += 1;
        }
        let share = |count| f64::from(count) / f64::from(samples);
        Self { shares: counts.into_iter().map(|(pair, count)| (pair, share(count))).collect(), sampled: Some(samples) }
    }
}

/// One of the keys that are counted: 16 hexadecimal digits.
fn sample(number: u32) -> [u8; 16] {
    let hash = xxh3_64(&number.to_le_bytes());
    std::array::from_fn(|digit| b"0123456789abcdef"[(hash >> (4 * digit)) as usize & 15])
}

/// Goes once round both circles, from the end of one arc to the next end on either.
fn arcs(old: &Ring, new: &Ring) -> Option<BTreeMap<(usize, usize), f64>> {
    let bits = old.common_circle(new)?;
    let space = 1_u64 << bits;
    let mut shares = BTreeMap::<_, f64>::new();
    let mut start = 0;
    while start < space {
        let (old_end, old_owner) = old.arc(start);
        let (new_end, new_owner) = new.arc(start);
        let end = old_end.min(new_end).min(space);
        *shares.entry((old_owner, new_owner)).or_default() += (end - start) as f64 / space as f64;
        start = end;
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use super::super::owners::Member;
    use super::*;
    use crate::model::{Distribution, HashKind, Placement};

    fn ring(distribution: Distribution, hash: HashKind, labels: &[(&str, u32)]) -> Ring {
        let members: Vec<_> =
            labels.iter().map(|(label, weight)| Member { label: (*label).to_owned(), weight: *weight }).collect();
        Ring::new(&Placement { distribution, hash, ..Placement::default() }, &members).unwrap()
    }

    #[test]
    fn the_arcs_add_up_to_what_each_ring_says_of_itself() {
        let old = ring(Distribution::Ketama, HashKind::Md5, &[("a", 1), ("b", 2), ("c", 1)]);
        let new = ring(Distribution::Ketama, HashKind::Md5, &[("b", 1), ("c", 1), ("d", 1), ("e", 3)]);
        let moves = Moves::between(&old, &new, 0);
        assert_eq!(moves.sampled, None);
        let sum = |of: fn(&(usize, usize)) -> usize, member| {
            moves.shares.iter().filter(|(pair, _)| of(pair) == member).map(|(_, share)| share).sum::<f64>()
        };
        for (member, share) in old.shares().into_iter().enumerate() {
            assert!((sum(|pair| pair.0, member) - share).abs() < 1e-9);
        }
        for (member, share) in new.shares().into_iter().enumerate() {
            assert!((sum(|pair| pair.1, member) - share).abs() < 1e-9);
        }
    }

    #[test]
    fn fifteen_bits_are_a_circle_of_fifteen_bits() {
        let old = ring(Distribution::Ketama, HashKind::Crc32, &[("a", 1), ("b", 1)]);
        let new = ring(Distribution::Ketama, HashKind::Crc32, &[("a", 1), ("c", 1)]);
        let moves = Moves::between(&old, &new, 0);
        assert!((moves.shares.values().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(moves.sampled, None);
    }

    #[test]
    fn one_node_owns_every_arc() {
        let one = ring(Distribution::Ketama, HashKind::Md5, &[("a", 1)]);
        let two = ring(Distribution::Ketama, HashKind::Md5, &[("a", 1), ("b", 1)]);
        let grown = Moves::between(&one, &two, 0);
        assert_eq!(grown.sampled, None);
        let shares: Vec<f64> = grown.shares.into_values().collect();
        assert!(shares.iter().zip(two.shares()).all(|(ours, theirs)| (ours - theirs).abs() < 1e-9), "{shares:?}");
    }

    #[test]
    fn what_has_no_arcs_in_common_is_counted() {
        let modula = ring(Distribution::Modula, HashKind::Md5, &[("a", 1), ("b", 1)]);
        let swapped = ring(Distribution::Modula, HashKind::Md5, &[("b", 1), ("a", 1)]);
        let moves = Moves::between(&modula, &swapped, 1000);
        assert_eq!(moves.sampled, Some(1000));
        assert_eq!(moves.shares.keys().copied().collect::<Vec<_>>(), [(0, 0), (1, 1)], "places, not names");
        let other_hash = ring(Distribution::Ketama, HashKind::Crc32a, &[("a", 1), ("b", 1)]);
        let ketama = ring(Distribution::Ketama, HashKind::Md5, &[("a", 1), ("b", 1)]);
        assert_eq!(Moves::between(&ketama, &other_hash, 10).sampled, Some(10));
    }
}
