//! From a changed file to a topology in force: the only publisher.
//!
//! ```text
//! file, SIGHUP, Reloader ──► order ──► read and check ──► draft ──► prepare (listen) ──► publish ──► commit
//!                                          │                            │
//!                                          └── refused: nothing changes, the reason is kept and told
//! ```
//!
//! One order is carried out at a time, in the order in which they came.

mod file;
mod publisher;
mod report;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

pub use publisher::{Publisher, Stage};
pub use report::{Cause, Last, Outcome, Refusal, Report};

use crate::config::{Config, ConfigError};

/// Where the configuration comes from, and what the command line says in its place.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The file; `None` for the built-in configuration, which never changes.
    pub path: Option<PathBuf>,
    /// Threads, in place of the file's `workers`.
    pub workers: Option<usize>,
}

/// A configuration and the text that it was read from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is valid.
    pub config: Config,
    /// A hash of the text: 16 hexadecimal digits; empty for the built-in configuration.
    pub hash: String,
}

/// Asks for a reload from any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reloader {
    orders: UnboundedSender<Order>,
    report: Arc<Mutex<Report>>,
}

/// Somebody wants the file read again.
#[derive(Debug)]
struct Order {
    dry_run: bool,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
}

impl Source {
    /// What is to be served at the start.
    ///
    /// # Errors
    /// When the file cannot be read, or with all that is wrong with it.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let Some(path) = &self.path else {
            return Ok(Loaded { config: self.overridden(Config::built_in()), hash: String::new() });
        };
        let unreadable = |error| ConfigError::Unreadable { path: path.clone(), error };
        self.parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    fn read(&self) -> Result<String, Refusal> {
        let path = self.path.as_ref().ok_or(Refusal::NoFile)?;
        let unreadable = |error| ConfigError::Unreadable { path: path.clone(), error };
        Ok(std::fs::read_to_string(path).map_err(unreadable)?)
    }

    fn parse(&self, text: &str) -> Result<Loaded, ConfigError> {
        let origin = self.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let config = self.overridden(Config::parse(text, &origin)?);
        Ok(Loaded { config, hash: file::hash(text) })
    }

    fn overridden(&self, config: Config) -> Config {
        Config { workers: self.workers.unwrap_or(config.workers), ..config }
    }
}

impl Reloader {
    /// Reads the file again and puts it in force; with `dry_run`, only tells what that would change.
    ///
    /// Cancel safe: once it was polled, the order is carried out whether anybody waits or not.
    ///
    /// # Errors
    /// [`Refusal`] when the file is not valid or what it says cannot be had; then nothing has changed.
    pub async fn reload(&self, dry_run: bool) -> Result<Outcome, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order { dry_run, answer }).map_err(|_| Refusal::Ending)?;
        answered.await.unwrap_or(Err(Refusal::Ending))
    }

    /// What is in force, since when, and what became of the last change.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
