//! How much ketch logs, and in which form; to stderr.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, reload};

use crate::control::Dial;

/// The flags of the log. (Flattened arguments need a name of their own.)
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// The least serious lines that are logged.
    #[arg(long, env = "KETCH_LOG", value_name = "LEVEL", default_value = "info")]
    log_level: Level,

    /// Lines for people, or one JSON object a line.
    #[arg(long, env = "KETCH_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Flags {
    /// Starts the log of this process, with a dial for its level. A log that was started before stays.
    pub(super) fn start(&self) -> Dial {
        let level = match self.log_level {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        };
        let (filter, handle) = reload::Layer::new(level);
        let registry = tracing_subscriber::registry().with(filter);
        let log = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
        let _ = match self.log_format {
            Format::Text => registry.with(log.with_target(false)).try_init(),
            Format::Json => registry.with(log.json().flatten_event(true)).try_init(),
        };
        // The log is gone only when the process is.
        Dial::new(level, move |level| drop(handle.reload(level)))
    }
}
