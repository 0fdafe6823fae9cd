//! Which process runs on which core.

use std::process::Command;

use anyhow::Context as _;

use crate::options::Options;
use crate::process;

/// Core lists as `taskset -c` takes them.
#[derive(Clone)]
pub struct Cores {
    /// For the program under test.
    pub subject: String,
    /// For the servers behind it and the load generator.
    pub others: String,
}

impl Cores {
    /// All on one core, or with `--spread` the subject on the last ones and the others on those before.
    ///
    /// # Errors
    ///
    /// When this machine has too few cores for what was asked.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        if options.spread {
            return Self::apart(options.workers);
        }
        let last = count()?.saturating_sub(1);
        let core = options.core.unwrap_or(last).to_string();
        Ok(Self { subject: core.clone(), others: core })
    }

    /// The subject on `width` cores of its own.
    ///
    /// # Errors
    ///
    /// When not even one core is left for the others.
    pub fn apart(width: usize) -> anyhow::Result<Self> {
        let all = count()?;
        let others = all.saturating_sub(width);
        anyhow::ensure!(others > 0, "{width} cores for the proxy and one more are needed; this machine has {all}");
        Ok(Self { subject: format!("{others}-{}", all - 1), others: format!("0-{}", others - 1) })
    }

    /// Everybody on the last `width` cores: for those who do not run at the same time.
    ///
    /// # Errors
    ///
    /// When this machine has fewer.
    pub fn shared(width: usize) -> anyhow::Result<Self> {
        let all = count()?;
        anyhow::ensure!(all >= width, "{width} cores are needed; this machine has {all}");
        let cores = format!("{}-{}", all - width, all - 1);
        Ok(Self { subject: cores.clone(), others: cores })
    }

    /// Pins this process, the load generator.
    ///
    /// # Errors
    ///
    /// When `taskset` is missing or the core does not exist.
    pub fn pin_load(&self) -> anyhow::Result<()> {
        let taskset = process::program("taskset", "util-linux")?;
        let pid = std::process::id().to_string();
        let output = Command::new(taskset).args(["-a", "-c", "-p", &self.others, &pid]).output()?;
        anyhow::ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }
}

/// Cores of the machine, not those that this process may use once it is pinned.
fn count() -> anyhow::Result<usize> {
    let text = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    Ok(text.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count())
}
