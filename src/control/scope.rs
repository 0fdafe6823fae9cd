//! What those who look in from the side may see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{Reloader, Report};
use crate::config::Config;
use crate::metrics::Hub;
use crate::topology::{Current, Topology};

/// The process as the admin server and the metrics see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scope {
    hub: Hub,
    current: Current,
    reloader: Reloader,
    draining: Arc<AtomicBool>,
}

impl Scope {
    /// A look at what is served.
    #[must_use]
    pub fn new(hub: Hub, current: Current, reloader: Reloader) -> Self {
        Self { hub, current, reloader, draining: Arc::default() }
    }

    /// Every cell of the process.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The topology in force.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.current.topology()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.current.topology().config().clone()
    }

    /// Who reads the file again.
    #[must_use]
    pub fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// What became of the file since the start.
    #[must_use]
    pub fn report(&self) -> Report {
        self.reloader.report()
    }

    /// Whether the process is about to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// From now on, the process is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Relaxed);
    }
}
