//! The level of the log, while the process runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tracing::level_filters::LevelFilter;

const LEVELS: [LevelFilter; 6] = [
    LevelFilter::OFF,
    LevelFilter::ERROR,
    LevelFilter::WARN,
    LevelFilter::INFO,
    LevelFilter::DEBUG,
    LevelFilter::TRACE,
];

/// Sets the level and tells it.
#[derive(Clone)]
pub struct Dial {
    /// Where in [`LEVELS`] it stands.
    place: Arc<AtomicUsize>,
    set: Arc<dyn Fn(LevelFilter) + Send + Sync>,
}

impl Dial {
    /// A dial that stands at `level`; `set` moves the log.
    pub fn new(level: LevelFilter, set: impl Fn(LevelFilter) + Send + Sync + 'static) -> Self {
        Self { place: Arc::new(AtomicUsize::new(place(level))), set: Arc::new(set) }
    }

    /// The level now.
    #[must_use]
    pub fn level(&self) -> LevelFilter {
        LEVELS[self.place.load(Relaxed)]
    }

    /// Moves the log to `level`.
    pub fn turn(&self, level: LevelFilter) {
        (self.set)(level);
        self.place.store(place(level), Relaxed);
        tracing::info!(%level, "log level changed");
    }
}

fn place(level: LevelFilter) -> usize {
    LEVELS.iter().position(|one| *one == level).unwrap_or_default()
}
