//! The one place where the topology in force is, for all threads.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use tokio::sync::watch;

use super::{Draft, Topology};

/// The topology in force. Cheap to clone; whoever keeps a [`Topology`] of it keeps an old world alive.
#[derive(Clone, Debug)]
pub struct Current {
    topology: Arc<ArcSwap<Topology>>,
    /// How often it has changed.
    changes: Arc<watch::Sender<u64>>,
}

/// One thread's look at it: as cheap as one load while nothing changes.
pub struct Lookout(Cache<Arc<ArcSwap<Topology>>, Arc<Topology>>);

impl Current {
    /// Puts the first topology in force.
    #[must_use]
    pub fn new(first: Draft) -> Self {
        Self { topology: Arc::new(ArcSwap::new(first.settle())), changes: Arc::new(watch::Sender::new(0)) }
    }

    /// What is in force now.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    /// Puts `next` in force, for every thread at once. There is one publisher: the reloads of `control`.
    pub fn publish(&self, next: Draft) {
        self.topology.store(next.settle());
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Hears of every change from here on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A look for one thread.
    #[must_use]
    pub fn lookout(&self) -> Lookout {
        Lookout(Cache::new(self.topology.clone()))
    }
}

impl Lookout {
    /// What is in force now. The last answer is kept until the next call: an idle thread is to be told to look.
    #[inline]
    pub fn topology(&mut self) -> &Arc<Topology> {
        self.0.load()
    }
}
