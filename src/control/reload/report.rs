//! What became of reloads.

use std::collections::VecDeque;
use std::time::SystemTime;

use serde::Serialize;

use crate::config::{ConfigError, Problem};
use crate::topology::Plan;

/// How many reloads are remembered.
const HISTORY: usize = 20;

/// What a reload changed, or would.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The hash of the file's text, as [`Report::hash`] has it.
    pub config_hash: String,
    /// What changes.
    pub plan: Plan,
    /// What does not take effect before a restart, and what is lost.
    pub notes: Vec<String>,
}

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The built-in configuration is served.
    #[error(
        "nothing to reload: the built-in configuration is served; start ketch with --config FILE to have one that can change"
    )]
    NoFile,
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The file is not valid.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
    /// The file is valid, and what it says cannot be had: a ring of those nodes, an address to listen on.
    #[error("{0}")]
    Impossible(String),
    /// The process is about to end.
    #[error("ketch is ending")]
    Ending,
}

/// Who asked for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The file has changed.
    File,
    /// `SIGHUP`.
    Signal,
    /// [`Reloader::reload`](super::Reloader::reload).
    Request,
}

/// The last reload that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    /// When it was done, or refused.
    pub at: SystemTime,
    /// Who asked.
    pub cause: Cause,
    /// What became of it.
    pub result: Result<Outcome, Refusal>,
}

/// What is in force, and what became of the reloads so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The hash of the text that is in force: 16 hexadecimal digits; empty for the built-in configuration.
    pub hash: String,
    /// Since when.
    pub since: SystemTime,
    /// How many reloads were done, those that changed nothing among them. Dry runs do not count.
    pub done: u64,
    /// How many were refused.
    pub refused: u64,
    /// The last of either.
    pub last: Option<Last>,
    /// When the last that was done was done, or the process began.
    pub succeeded: SystemTime,
    /// When reloads were tried, and why one was refused, the newest last.
    pub history: VecDeque<(SystemTime, Result<(), String>)>,
}

impl Refusal {
    /// The value of a `reason` label, and the field of a log line.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoFile => "no_file",
            Self::Unreadable(_) => "unreadable",
            Self::Invalid(_) => "invalid",
            Self::Impossible(_) => "impossible",
            Self::Ending => "ending",
        }
    }
}

impl Report {
    pub(super) fn new(hash: String) -> Self {
        let now = SystemTime::now();
        Self { hash, since: now, done: 0, refused: 0, last: None, succeeded: now, history: VecDeque::new() }
    }

    /// Notes what became of a reload.
    pub(super) fn note(&mut self, cause: Cause, result: Result<Outcome, Refusal>) {
        let at = SystemTime::now();
        match &result {
            Ok(outcome) => {
                self.done += 1;
                self.succeeded = at;
                if self.hash != outcome.config_hash {
                    self.hash.clone_from(&outcome.config_hash);
                    self.since = at;
                }
            }
            Err(_) => self.refused += 1,
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((at, result.as_ref().map(drop).map_err(ToString::to_string)));
        self.last = Some(Last { at, cause, result });
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Invalid { problems } => Self::Invalid(problems),
            error @ ConfigError::Unreadable { .. } => Self::Unreadable(error.to_string()),
        }
    }
}
