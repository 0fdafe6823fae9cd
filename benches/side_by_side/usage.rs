//! What the kernel counted for a process.

use std::path::PathBuf;

use anyhow::Context as _;

/// Totals of a process since it started, over all its threads.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Run time, user and system, in nanoseconds.
    pub run_time: u64,
    /// Voluntary context switches: how often a thread went to sleep.
    pub sleeps: u64,
}

impl Usage {
    /// The totals of the process `pid` now.
    ///
    /// A thread that has ended no longer counts; neither proxy ends threads under load.
    ///
    /// # Errors
    ///
    /// When it is gone, or this kernel does not count (CONFIG_SCHED_INFO).
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let mut total = Self { run_time: 0, sleeps: 0 };
        let folder = PathBuf::from(format!("/proc/{pid}/task"));
        for task in std::fs::read_dir(&folder).with_context(|| format!("process {pid} is gone"))? {
            let task = task?.path();
            let text = std::fs::read_to_string(task.join("schedstat"))?;
            total.run_time += text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
            total.sleeps +=
                field(&std::fs::read_to_string(task.join("status"))?, "voluntary_ctxt_switches").unwrap_or(0);
        }
        anyhow::ensure!(total.run_time > 0, "this kernel has no /proc/PID/schedstat: CONFIG_SCHED_INFO");
        Ok(total)
    }

    /// What was added since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self { run_time: self.run_time - earlier.run_time, sleeps: self.sleeps - earlier.sleeps }
    }
}

/// Resident memory of a process in bytes.
///
/// # Errors
///
/// When it is gone.
pub fn resident(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "VmRSS")
}

/// The most that was resident since [`forget_peak`], in bytes.
///
/// # Errors
///
/// When it is gone.
pub fn peak(pid: u32) -> anyhow::Result<u64> {
    memory(pid, "VmHWM")
}

/// Begins anew with [`peak`].
///
/// # Errors
///
/// When the process is gone, or this kernel cannot (CONFIG_PROC_PAGE_MONITOR).
pub fn forget_peak(pid: u32) -> anyhow::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").with_context(|| format!("no peak of process {pid}"))
}

fn memory(pid: u32, name: &str) -> anyhow::Result<u64> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} is gone"))?;
    let kibibytes = field(&text, name).with_context(|| format!("no {name} in /proc/PID/status"))?;
    Ok(kibibytes * 1024)
}

/// The number after `name:` in a status file.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}
