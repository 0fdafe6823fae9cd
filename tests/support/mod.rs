//! Real servers for the tests: started on ports that the kernel gives, stopped when dropped.
//!
//! Nothing here skips: a program that is missing fails the test and names the package that has it.

#![allow(dead_code, reason = "each test uses the part that it needs")]

pub mod cluster;
pub mod fake;
pub mod load;
pub mod redis;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// How long a server may take to come up, an answer to arrive, and any other condition to come true: so long that
/// nothing but a fault takes longer, also where a compiler has the machine for itself. Only a test that fails waits it out.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives something; panics with `what` after [`PATIENCE`].
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How often a server is started on another port when somebody else was quicker.
const ATTEMPTS: usize = 5;

/// How many ports are kept at once; the oldest are let go, so that descriptors do not run out.
const KEPT: usize = 200;

/// A port of 127.0.0.1 on which nobody listens, and which the kernel gives to nobody else, neither to who asks for any
/// nor to an outgoing connection, for as long as it is among the last [`KEPT`].
///
/// A socket is bound there and does not listen: connections are refused, and a server that says SO_REUSEADDR, as all
/// of them do, may bind the port by its number, again and again.
pub fn free_port() -> u16 {
    keep(0).unwrap()
}

/// The same for a certain port, unless somebody has it.
pub fn keep(port: u16) -> std::io::Result<u16> {
    static KEPT_PORTS: Mutex<VecDeque<Socket>> = Mutex::new(VecDeque::new());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    let port = socket.local_addr()?.as_socket().map_or(port, |address| address.port());
    let mut kept = KEPT_PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push_back(socket);
    if kept.len() > KEPT {
        kept.pop_front();
    }
    Ok(port)
}

/// A folder for sockets: their paths have room for 107 bytes, however long that of `TMPDIR` is.
pub fn folder_of_sockets() -> tempfile::TempDir {
    const LONG: usize = 70;
    let usual = std::env::temp_dir();
    tempfile::tempdir_in(if usual.as_os_str().len() < LONG { usual } else { "/tmp".into() }).unwrap()
}

/// What tests draw from: `KETCH_TEST_SEED`, else always 1, so that one commit always gets one verdict; `random` for
/// another each time. Shown when a test fails.
pub fn seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| match std::env::var("KETCH_TEST_SEED").as_deref() {
        Err(_) => 1,
        Ok("random") => fastrand::u64(1..1 << 32),
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("KETCH_TEST_SEED is no number: {text}")),
    });
    println!("KETCH_TEST_SEED={}", *SEED);
    *SEED
}

/// Waits until somebody speaks memcached at `address`; whether it is `process` and no other, which would be one that
/// was quicker to take a port that had been free.
pub fn listens(process: &mut Process, address: SocketAddr) -> bool {
    wait_for("a server to listen", || match process.0.try_wait().unwrap() {
        Some(_) => Some(false),
        None => identity(address).map(|id| id == process.id()),
    })
}

/// The process that `stats` names.
pub fn identity(address: SocketAddr) -> Option<u32> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"stats\r\nquit\r\n").ok()?;
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix("STAT pid ")?.parse().ok()).next()
}

/// The path of a program, or a panic that says which Debian package has it.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/bin", "/usr/sbin", "/usr/local/bin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: run tests/run, or apt-get install {package}"))
}

/// A child process that ends with its owner.
pub struct Process(pub Child);

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal by name (`STOP`, `CONT`, `TERM` …).
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name} failed");
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A real memcached.
pub struct Memcached {
    pub process: Process,
    pub port: u16,
}

impl Memcached {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more arguments (`-m 64`, `-I 2m` …).
    pub fn start_with(arguments: &[&str]) -> Self {
        let started = (0..ATTEMPTS).find_map(|_| Self::try_on(free_port(), arguments));
        started.expect("memcached ends at once, or no port stays free")
    }

    /// Starts one on a port of the caller's, say that of one that was killed.
    pub fn start_on(port: u16, arguments: &[&str]) -> Self {
        Self::try_on(port, arguments).unwrap_or_else(|| panic!("memcached cannot have port {port}"))
    }

    fn try_on(port: u16, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(program("memcached", "memcached"));
        command.args(["-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-t", "1", "-p", &port.to_string()]);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command);
        listens(&mut process, ([127, 0, 0, 1], port).into()).then_some(Self { process, port })
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// The configuration of one pool of memcached servers; `settings` are more keys of the pool, see [`patiently`].
pub fn pool(nodes: &[String], settings: &str) -> String {
    let settings = patiently(settings);
    format!("pools: {{ main: {{ protocol: memcached, nodes: {nodes:?}, {settings} }} }}\nroutes: [{{ pool: main }}]\n")
}

/// The same settings, with patience where they say nothing of time: then time is not what the test is about, and a
/// machine that stands still for a second or two must not make an error of it. A node that hangs is still found out,
/// sooner than [`PATIENCE`] ends.
pub fn patiently(settings: &str) -> String {
    const PATIENT: [(&str, &str); 3] = [
        ("connect_timeout", "30s"),
        ("request_timeout", "30s"),
        ("health", "{ probe_timeout: 30s, eject_after: 1000000 }"),
    ];
    let missing = PATIENT.iter().filter(|(name, _)| !settings.contains(&format!("{name}:")));
    missing.fold(settings.to_owned(), |all, (name, value)| format!("{name}: {value}, {all}"))
}

/// A ketch under test.
pub struct Ketch {
    pub process: Process,
    /// Where it speaks memcached.
    pub memcached: SocketAddr,
    /// Where its admin server is, unless the test's configuration says otherwise.
    pub admin: SocketAddr,
    /// Where it speaks HTTP, if it was started so.
    pub http: Option<SocketAddr>,
    /// Where it keeps its configuration file.
    pub folder: tempfile::TempDir,
}

impl Ketch {
    /// Starts ketch with the `pools` and `routes` of `config`; workers, listeners and limits may be given too.
    ///
    /// `listeners` and `admin` are added with free ports where `config` has none.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with environment variables.
    pub fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        Self::launch(config, environment, false)
    }

    /// The same with an HTTP listener.
    pub fn start_with_http(config: &str) -> Self {
        Self::launch(config, &[], true)
    }

    fn launch(config: &str, environment: &[(&str, &str)], http: bool) -> Self {
        let started = (0..ATTEMPTS).find_map(|_| Self::try_with(config, environment, http));
        started.expect("ketch ends at once; set KETCH_TEST_LOG=1 to see its log")
    }

    fn try_with(config: &str, environment: &[(&str, &str)], http: bool) -> Option<Self> {
        let port = free_port();
        let http = http.then(|| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ketch.yaml");
        std::fs::write(&file, listening(config, port, http, admin)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ketch"));
        command.arg("--config").arg(&file).stdout(Stdio::null());
        if std::env::var_os("KETCH_TEST_LOG").is_none() {
            command.stderr(std::fs::File::create(folder.path().join("log")).unwrap());
        }
        command.envs(environment.iter().copied());
        let mut process = Process::spawn(&mut command);
        let memcached: SocketAddr = ([127, 0, 0, 1], port).into();
        // Every address is bound before one is served.
        listens(&mut process, memcached).then_some(Self { process, memcached, admin, http, folder })
    }

    /// One pool of memcached servers, everything else by default.
    pub fn over(nodes: &[Memcached]) -> Self {
        let nodes: Vec<String> = nodes.iter().map(Memcached::address).collect();
        Self::start(&pool(&nodes, ""))
    }

    /// Three embedded stores.
    pub fn embedded() -> Self {
        Self::start("pools: { main: { protocol: embedded, nodes: [a, b, c] } }\nroutes: [{ pool: main }]")
    }

    /// Puts another configuration in the place of its file, in one step; see [`Ketch::start`] for its listeners.
    pub fn configure(&self, config: &str) {
        let new = self.folder.path().join("new.yaml");
        std::fs::write(&new, listening(config, self.memcached.port(), self.http, self.admin)).unwrap();
        std::fs::rename(new, self.folder.path().join("ketch.yaml")).unwrap();
    }

    /// How often it has logged that it reloaded its file, or that it did not.
    pub fn reloads(&self) -> (usize, usize) {
        let log = self.log();
        (log.matches("configuration reloaded").count(), log.matches("is not reloaded").count())
    }

    /// The same as [`Ketch::configure`], and waits until it is in force.
    pub fn reconfigure(&self, config: &str) {
        let (done, refused) = self.reloads();
        self.configure(config);
        wait_for("a reload", || (self.reloads() != (done, refused)).then_some(()));
        assert_eq!(self.reloads(), (done + 1, refused), "{}", self.log());
    }

    /// What it has logged so far; nothing when `KETCH_TEST_LOG` sends the log to the terminal.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.memcached)
    }

    /// What the admin server answers to a GET: status and body.
    pub fn look(&self, path: &str) -> (u16, String) {
        self::http(self.admin, "GET", path, "")
    }
}

/// `config`, listening on `port`, and for HTTP on `http`, where it does not say where.
fn listening(config: &str, port: u16, http: Option<SocketAddr>, admin: SocketAddr) -> String {
    let http: Vec<String> = http.iter().map(ToString::to_string).collect();
    let mut text = config.to_owned();
    if !config.contains("listeners:") {
        text.push_str(&format!("\nlisteners:\n  memcached: [\"127.0.0.1:{port}\"]\n  http: {http:?}\n"));
    }
    if !config.contains("admin:") {
        text.push_str(&format!("\nadmin: \"{admin}\"\n"));
    }
    text
}

/// One HTTP request on a connection of its own, with more header lines: status and body.
pub fn http(address: SocketAddr, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut client = Client::connect(address);
    client.say(format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\n{headers}\r\n"));
    let answer = String::from_utf8(client.rest()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {path}: {answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {head}")), body.to_owned())
}

/// A client that says bytes and hears bytes.
pub struct Client {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// One line without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).unwrap();
        assert!(line.ends_with(b"\r\n"), "no whole line: {:?}", line.escape_ascii().to_string());
        line.truncate(line.len() - 2);
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Exactly so many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let (mut bytes, mut len) = (vec![0; count], 0);
        while len < count {
            match self.reader.read(&mut bytes[len..]) {
                Ok(0) => panic!("closed after {}", brief(&bytes[..len])),
                Ok(more) => len += more,
                Err(error) => panic!("{error}, after {}", brief(&bytes[..len])),
            }
        }
        bytes
    }

    /// Everything up to the close of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Says one command and hears a one-line answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.say(format!("{line}\r\n"));
        self.line()
    }

    /// Says `said` and must hear exactly `heard`.
    pub fn expect(&mut self, said: impl AsRef<[u8]>, heard: impl AsRef<[u8]>) {
        self.say(said.as_ref());
        let heard = heard.as_ref();
        let mut answer = self.bytes(heard.len());
        if answer != heard {
            answer.extend_from_slice(self.reader.buffer());
            panic!("to {}\n  heard {}\n  not   {}", brief(said.as_ref()), brief(&answer), brief(heard));
        }
    }
}

/// Escaped, and cut where it is long.
fn brief(bytes: &[u8]) -> String {
    const SHOWN: usize = 500;
    match bytes.len() {
        0..=SHOWN => bytes.escape_ascii().to_string(),
        length => {
            let (front, back) = (&bytes[..SHOWN], &bytes[length - SHOWN / 2..]);
            format!("{} … {}, {length} bytes", front.escape_ascii(), back.escape_ascii())
        }
    }
}
