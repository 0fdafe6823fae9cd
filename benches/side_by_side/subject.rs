//! The programs that are compared: the same servers behind each, everything else as it comes.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::Serialize;

use crate::cores::Cores;
use crate::process::{Process, free_port, program};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Ketch,
    Twemproxy,
    /// A memcached asked directly.
    Bare,
}

/// Where a program listens.
#[derive(Clone)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A program under test, running.
pub struct Subject {
    pub kind: Kind,
    pub tcp: Address,
    pub unix: Option<Address>,
    pub process: Process,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Twemproxy, Self::Ketch, Self::Bare];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ketch => "ketch",
            Self::Twemproxy => "twemproxy",
            Self::Bare => "bare",
        }
    }

    /// Why it has no meta commands, if it has none.
    pub fn lacks_meta(self) -> Option<&'static str> {
        (self == Self::Twemproxy).then_some("it has no meta commands")
    }

    /// What the program says of its version, or why it says nothing.
    pub fn version(self) -> String {
        let (program, argument) = match self {
            Self::Ketch => (Ok(built()), "--version"),
            Self::Twemproxy => (program("nutcracker", "nutcracker"), "--version"),
            Self::Bare => (program("memcached", "memcached"), "--version"),
        };
        let output = program.and_then(|program| Ok(Command::new(program).arg(argument).output()?));
        let Ok(output) = output else { return "missing".to_owned() };
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().unwrap_or("says no version").to_owned()
    }
}

/// More clients than any row has.
const CLIENTS: usize = 8192;

/// The ketch that cargo built for this, or the one that the environment names.
fn built() -> PathBuf {
    std::env::var_os("BENCHED_KETCH").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_ketch")), PathBuf::from)
}

/// A memcached with one thread, room for every row's keys, and items a little over 1 MiB.
///
/// # Errors
///
/// When memcached is missing or does not start.
pub fn memcached(cores: &str, folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let address = loopback()?;
    let port = address.port().to_string();
    let arguments =
        ["-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-t", "1", "-m", "1024", "-I", "2m", "-c", "8192", "-p", &port];
    let log = folder.join(format!("memcached-{port}.log"));
    let program = program("memcached", "memcached")?;
    let mut process = Process::start(cores, &program, &arguments.map(str::to_owned), log)?;
    process.wait_for(|| TcpStream::connect(address).ok()).context("memcached")?;
    Ok((process, address))
}

impl Subject {
    /// Starts the program over `nodes`; gives it once it listens.
    ///
    /// # Errors
    ///
    /// When it is missing or ends at start.
    pub fn start(
        kind: Kind,
        cores: &Cores,
        workers: usize,
        nodes: &[SocketAddr],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        match kind {
            Kind::Bare => {
                let (process, address) = memcached(&cores.subject, folder)?;
                Ok(Self { kind, tcp: Address::Tcp(address), unix: None, process })
            }
            Kind::Twemproxy => twemproxy(cores, nodes, folder),
            Kind::Ketch => Self::ketch(cores, workers, nodes, folder, ""),
        }
    }

    /// ketch with the same placement as twemproxy, so that both have the same keys on the same servers; `settings` are
    /// more keys of the pool.
    ///
    /// # Errors
    ///
    /// When it ends at start.
    pub fn ketch(
        cores: &Cores,
        workers: usize,
        nodes: &[SocketAddr],
        folder: &Path,
        settings: &str,
    ) -> anyhow::Result<Self> {
        let (tcp, socket) = (loopback()?, folder.join(format!("ketch-{}.sock", free_port()?)));
        let nodes: Vec<String> = nodes.iter().map(SocketAddr::to_string).collect();
        let text = format!(
            "workers: {workers}\nlimits: {{ connections: {CLIENTS} }}\nlisteners: {{ memcached: [\"{tcp}\", \"unix:{}\"], http: [] }}\n\
         admin: off\npools:\n  main:\n    protocol: memcached\n    nodes: {nodes:?}\n    distribution: ketama\n    hash: fnv1a_64\n    \
         compatibility: twemproxy\n{settings}routes:\n  - pool: main\n",
            socket.display()
        );
        let file = folder.join(format!("ketch-{}.yaml", tcp.port()));
        std::fs::write(&file, text)?;
        let arguments = ["--config".to_owned(), file.display().to_string()];
        let process = Process::start(&cores.subject, &built(), &arguments, file.with_extension("log"))?;
        listening(Kind::Ketch, process, tcp, socket)
    }
}

/// nutcracker as Debian runs it, over TCP and, as a second pool of the same servers, over a unix socket.
fn twemproxy(cores: &Cores, nodes: &[SocketAddr], folder: &Path) -> anyhow::Result<Subject> {
    let (tcp, socket) = (loopback()?, folder.join(format!("nutcracker-{}.sock", free_port()?)));
    let servers: String = nodes.iter().map(|node| format!("    - {node}:1\n")).collect();
    let pool = |name: &str, listen: String| {
        format!(
            "{name}:\n  listen: {listen}\n  hash: fnv1a_64\n  distribution: ketama\n  backlog: 4096\n  \
             preconnect: true\n  server_connections: 1\n  auto_eject_hosts: false\n  servers:\n{servers}"
        )
    };
    let text = pool("tcp", tcp.to_string()) + &pool("unix", socket.display().to_string());
    let file = folder.join(format!("nutcracker-{}.yml", tcp.port()));
    std::fs::write(&file, text)?;
    let (stats, path) = (free_port()?.to_string(), |end: &str| file.with_extension(end).display().to_string());
    let arguments = ["-c", &path("yml"), "-o", &path("log"), "-p", &path("pid"), "-a", "127.0.0.1", "-s", &stats];
    let program = program("nutcracker", "nutcracker")?;
    let process = Process::start(&cores.subject, &program, &arguments.map(str::to_owned), file.with_extension("log"))?;
    listening(Kind::Twemproxy, process, tcp, socket)
}

fn listening(kind: Kind, mut process: Process, tcp: SocketAddr, socket: PathBuf) -> anyhow::Result<Subject> {
    process.wait_for(|| TcpStream::connect(tcp).ok())?;
    process.wait_for(|| UnixStream::connect(&socket).ok())?;
    Ok(Subject { kind, tcp: Address::Tcp(tcp), unix: Some(Address::Unix(socket)), process })
}

fn loopback() -> anyhow::Result<SocketAddr> {
    Ok(([127, 0, 0, 1], free_port()?).into())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}
