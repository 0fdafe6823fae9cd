//! ketch under valgrind's callgrind, with a hand on when it runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Process, free_port, identity, program, wait_for};

/// Between two looks at what a thread does.
const LOOK: Duration = Duration::from_micros(100);
/// How long a step may take under callgrind, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is started on another port when somebody else was quicker.
const ATTEMPTS: usize = 5;
/// The name of the thread whose instructions count.
const WORKER: &str = "ketch-worker-0";
/// How the names of callgrind's files begin, one a thread.
const COUNTS: &str = "counts";

/// The program as people build it; built first where it is not there or is old.
pub fn release() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--bin", "ketch", "--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo build --release failed");
    let messages = String::from_utf8(output.stdout).unwrap();
    let built = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut paths = built.filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
    paths.next_back().expect("cargo names no executable")
}

/// A ketch whose instructions are counted.
pub struct Counted {
    process: Process,
    /// Where it speaks memcached.
    pub address: SocketAddr,
    /// Its worker's folder in /proc.
    worker: PathBuf,
    folder: tempfile::TempDir,
}

impl Counted {
    /// Starts `ketch` with one worker over `nodes`; gives it when it listens.
    ///
    /// Under callgrind everything takes some fifty times as long, so no time limit is to run out.
    pub fn start(ketch: &Path, nodes: &[String]) -> Self {
        let started = (0..ATTEMPTS).find_map(|_| Self::try_on(free_port(), ketch, nodes));
        started.expect("ketch ends at once under valgrind, or no port stays free")
    }

    /// `None` when somebody else was quicker to take the port.
    fn try_on(port: u16, ketch: &Path, nodes: &[String]) -> Option<Self> {
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ketch.yaml");
        let text = format!(
            "workers: 1\nlisteners: {{ memcached: [\"{address}\"], http: [] }}\nadmin: off\n\
             pools:\n  main:\n    protocol: memcached\n    nodes: {nodes:?}\n    connect_timeout: 10m\n    \
             request_timeout: 10m\n    health: {{ probe_interval: 1h, probe_timeout: 10m }}\nroutes: [{{ pool: main }}]\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program("valgrind", "valgrind"));
        command
            .args(["--tool=callgrind", "--separate-threads=yes", "--quiet"])
            .arg(format!("--callgrind-out-file={}", folder.path().join(COUNTS).display()))
            .arg(ketch)
            .arg("--config")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap());
        let mut process = Process::spawn(&mut command);
        let log = folder.path().join("log");
        let end = Instant::now() + PATIENCE;
        while identity(address) != Some(process.id()) {
            if process.0.try_wait().unwrap().is_some() {
                eprintln!("{}", std::fs::read_to_string(&log).unwrap());
                return None;
            }
            assert!(Instant::now() < end, "ketch does not listen: {}", std::fs::read_to_string(&log).unwrap());
            std::thread::sleep(10 * LOOK);
        }
        let worker = wait_for("a worker", || worker(process.id()));
        Some(Self { process, address, worker, folder })
    }

    /// Waits until its worker sleeps until something arrives.
    pub fn rest(&self) {
        let epoll = [libc::SYS_epoll_pwait, SYS_EPOLL_WAIT].map(|number| format!("{number} "));
        self.wait_for("syscall", |call| epoll.iter().any(|number| call.starts_with(number)));
    }

    /// Stops it. Its worker must be at rest.
    pub fn halt(&self) {
        self.signal(Signal::STOP);
        self.wait_for("stat", |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')));
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it; gives the instructions of its worker. callgrind's own files are left behind where `keep` says so.
    pub fn end(mut self, keep: bool) -> u64 {
        self.signal(Signal::TERM);
        let status = self.process.0.wait().unwrap();
        assert!(status.success(), "{status}: {}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let texts = files.filter(|path| path.to_string_lossy().contains(COUNTS)).map(std::fs::read_to_string);
        let counts: Vec<u64> = texts.filter_map(|text| worker_count(&text.unwrap())).collect();
        assert!(counts.len() == 1, "{} threads of callgrind's served clients", counts.len());
        if keep {
            println!("callgrind_annotate {}/{COUNTS}-*", self.folder.keep().display());
        }
        counts[0]
    }

    fn wait_for(&self, file: &str, condition: impl Fn(&str) -> bool) {
        let path = self.worker.join(file);
        let end = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
            if condition(&text) {
                return;
            }
            assert!(Instant::now() < end, "the worker does not come to rest: {text}");
            std::thread::sleep(LOOK);
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).unwrap();
    }
}

#[cfg(target_arch = "x86_64")]
const SYS_EPOLL_WAIT: libc::c_long = libc::SYS_epoll_wait;
#[cfg(not(target_arch = "x86_64"))]
const SYS_EPOLL_WAIT: libc::c_long = libc::SYS_epoll_pwait;

/// The folder of the worker's thread.
fn worker(pid: u32) -> Option<PathBuf> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut threads = threads.filter_map(|thread| Some(thread.ok()?.path()));
    threads.find(|thread| std::fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.trim() == WORKER))
}

/// The total of a thread's file, if the thread is one that serves clients.
fn worker_count(text: &str) -> Option<u64> {
    text.contains("ketch::front::session").then_some(())?;
    text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}
