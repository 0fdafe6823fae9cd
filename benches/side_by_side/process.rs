//! Child processes: pinned when started, ended when dropped.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A child process that ends with its owner.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on `cores`; what it says goes to the file `log`.
    ///
    /// `taskset` becomes the program, so the process id is the program's own.
    ///
    /// # Errors
    ///
    /// When `taskset` is missing or cannot be started.
    pub fn start(cores: &str, program: &Path, arguments: &[String], log: PathBuf) -> anyhow::Result<Self> {
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(self::program("taskset", "util-linux")?)
            .args(["-c", cores])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops it (SIGSTOP), and waits until it stands still.
    ///
    /// # Errors
    ///
    /// When it is gone, or goes on all the same.
    pub fn halt(&self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::STOP)?;
        let end = Instant::now() + PATIENCE;
        while !self.stands_still()? {
            anyhow::ensure!(Instant::now() < end, "it does not stop");
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn go_on(&self) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// Whether each of its threads is stopped.
    fn stands_still(&self) -> anyhow::Result<bool> {
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let stat = std::fs::read_to_string(thread?.path().join("stat"))?;
            if !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until `ready` gives something.
    ///
    /// # Errors
    ///
    /// When the process ends first or takes over ten seconds, with the end of its log.
    pub fn wait_for<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = ready() {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("it ended at start ({status}){}", self.last_words());
            }
            anyhow::ensure!(Instant::now() < end, "it does not listen after {PATIENCE:?}{}", self.last_words());
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// The last line of its log, as the end of a message.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.trim().lines().last().map(|line| format!(": {line}")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a program.
///
/// # Errors
///
/// When it is missing, with the Debian package that has it.
pub fn program(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/bin", "/usr/sbin", "/usr/local/bin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is missing: apt-get install {package}"))
}

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Errors
///
/// When the kernel has none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
