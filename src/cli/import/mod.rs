//! `ketch import`: a configuration that puts every key where another program's file puts it.
//!
//! What is written is read again as any configuration is, before it is printed. What has no counterpart becomes a
//! comment; what would put keys elsewhere, or change what clients see, is refused by name.

mod libmemcached;
mod mcrouter;
mod page;
mod twemproxy;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;

use crate::config::Config;

/// The arguments of `ketch import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// From a nutcracker.yml: its pool, or the one that is named.
    Twemproxy {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The pool. Each has a listener of its own in twemproxy, and becomes a ketch of its own.
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
    },
    /// From an mcrouter configuration of pools, PoolRoute and PrefixSelectorRoute. Keys move: see what it prints.
    Mcrouter {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// From a libmemcached configuration string.
    Libmemcached {
        /// The string, as "--SERVER=10.0.0.1:11211 --SERVER=10.0.0.2:11211/?2 --DISTRIBUTION=CONSISTENT".
        #[arg(value_name = "STRING", allow_hyphen_values = true)]
        string: String,
    },
}

/// Prints the configuration.
///
/// # Errors
/// When the file cannot be read, or has what ketch cannot carry.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let read = |file: &Path| std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
    let (page, origin) = match &args.from {
        From::Twemproxy { file, pool } => {
            let origin = file.display().to_string();
            (twemproxy::import(&read(file)?, pool.as_deref()).with_context(|| origin.clone())?, origin)
        }
        From::Mcrouter { file } => {
            let origin = file.display().to_string();
            (mcrouter::import(&read(file)?).with_context(|| origin.clone())?, origin)
        }
        From::Libmemcached { string } => (libmemcached::import(string)?, "the string".to_owned()),
    };
    let text = page.text();
    Config::parse(&text, "what it comes to").with_context(|| format!("ketch cannot serve what {origin} says"))?;
    super::print(&text)
}
