//! What may be asked of a run.

use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Parser)]
#[command(about = "ketch beside nutcracker and a bare memcached: processor time for each operation")]
pub struct Options {
    /// Parts of row names, separated by commas; `targets` means the rows that have one
    #[arg(long, value_delimiter = ',')]
    pub rows: Vec<String>,
    /// How long each program is measured in each round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often each program has its turn
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// ketch's workers
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
    /// The core that every process is pinned on; default: the last one
    #[arg(long, conflicts_with = "spread")]
    pub core: Option<usize>,
    /// Gives the proxy as many cores of its own as it has workers, and the rest to servers and load
    #[arg(long)]
    pub spread: bool,
    /// Also writes every figure to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// The measured part of a turn.
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The part before it, in which buffers grow and caches fill.
    pub fn warm_up(&self) -> Duration {
        self.interval() / 4
    }
}
