//! How many nodes of a pool may be out at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The places of those that are out. Shared by the pool's nodes.
#[derive(Debug)]
pub struct Quota {
    most: AtomicU32,
    out: AtomicU32,
}

impl Quota {
    /// At most `share` (0 to 1) of `nodes` may be out, rounded down.
    #[must_use]
    pub fn new(nodes: usize, share: f64) -> Arc<Self> {
        Arc::new(Self { most: AtomicU32::new(most(nodes, share)), out: AtomicU32::new(0) })
    }

    /// The same for other `nodes` or another `share`. Nodes that are out already stay out.
    pub fn allow(&self, nodes: usize, share: f64) {
        self.most.store(most(nodes, share), Relaxed);
    }

    /// Takes a place, if one is left.
    pub(super) fn take(&self) -> bool {
        self.out.fetch_update(Relaxed, Relaxed, |out| (out < self.most.load(Relaxed)).then_some(out + 1)).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.out.fetch_sub(1, Relaxed);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn most(nodes: usize, share: f64) -> u32 {
    (nodes as f64 * share.clamp(0.0, 1.0) + 1e-9) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_nodes_rounded_down_may_be_out() {
        for (nodes, share, places) in [(4, 0.5, 2), (3, 0.5, 1), (1, 0.5, 0), (10, 0.7, 7), (3, 0.0, 0), (3, 1.0, 3)] {
            let quota = Quota::new(nodes, share);
            assert_eq!((0..20).filter(|_| quota.take()).count(), places, "{share} of {nodes}");
        }
    }

    #[test]
    fn a_place_that_is_given_back_is_free_and_more_may_be_allowed() {
        let quota = Quota::new(2, 0.5);
        assert!(quota.take() && !quota.take());
        quota.give_back();
        assert!(quota.take());
        quota.allow(4, 0.5);
        assert!(quota.take() && !quota.take());
    }
}
