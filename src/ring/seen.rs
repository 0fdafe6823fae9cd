//! A small set of members.

use smallvec::SmallVec;

/// Which members a walk has given already. Up to 256 members it needs no allocation.
pub(super) struct Seen {
    bits: SmallVec<[u64; 4]>,
    count: usize,
}

impl Seen {
    /// Nobody yet, out of `members`.
    pub(super) fn new(members: usize) -> Self {
        Self { bits: SmallVec::from_elem(0, members.div_ceil(64)), count: 0 }
    }

    pub(super) fn insert(&mut self, member: usize) {
        if !self.contains(member) {
            self.bits[member / 64] |= 1 << (member % 64);
            self.count += 1;
        }
    }

    pub(super) fn contains(&self, member: usize) -> bool {
        self.bits[member / 64] & (1 << (member % 64)) != 0
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_counts_once() {
        let mut seen = Seen::new(300);
        for member in [0, 63, 64, 299, 63] {
            assert_eq!(seen.contains(member), seen.count() == 4);
            seen.insert(member);
            assert!(seen.contains(member));
        }
        assert_eq!(seen.count(), 4);
        assert!(!seen.contains(1));
    }
}
