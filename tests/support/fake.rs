//! A scripted node, for the faults that a real server cannot be made to show.
//!
//! Each connection runs the script in a thread of its own; what it hears is counted, and leaving the script closes
//! the connection. [`echo`] answers as a node that has every key, each with its own name as its value, so that an
//! answer that went astray shows. [`relay`] puts a real node behind a script.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A node that does what its script says.
pub struct Fake {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    commands: Mutex<Vec<String>>,
    streams: Mutex<Vec<Weak<TcpStream>>>,
    over: AtomicBool,
}

impl Fake {
    /// Listens on a free port; `script` is run for every connection.
    pub fn start(script: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        Self::start_on(([127, 0, 0, 1], 0).into(), script)
    }

    /// The same on an address of the caller's.
    pub fn start_on(address: SocketAddr, script: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (script, state) = (Arc::new(script), shared.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if state.over.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (script, mut talk) = (script.clone(), Talk::new(stream, &state));
                std::thread::spawn(move || script(&mut talk));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many connections it has accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// The lines of the commands that it has heard so far, over all connections.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    /// How many of them begin with `start`.
    pub fn heard(&self, start: &str) -> usize {
        self.shared.commands.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.streams.lock().unwrap().iter().filter_map(Weak::upgrade) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// One connection, as the script sees it.
pub struct Talk {
    /// 0 for the first connection that was made to the node.
    pub number: usize,
    stream: Arc<TcpStream>,
    reader: BufReader<Ear>,
    shared: Arc<Shared>,
}

/// A command that the node heard.
#[derive(Clone, Debug)]
pub struct Said {
    /// Without its line end.
    pub line: String,
    /// Of a storage command.
    pub value: Vec<u8>,
}

impl Said {
    pub fn words(&self) -> Vec<&str> {
        self.line.split_whitespace().collect()
    }
}

impl Talk {
    fn new(stream: TcpStream, shared: &Arc<Shared>) -> Self {
        stream.set_nodelay(true).unwrap();
        let stream = Arc::new(stream);
        shared.streams.lock().unwrap().push(Arc::downgrade(&stream));
        let number = shared.connections.fetch_add(1, SeqCst);
        Self { number, reader: BufReader::new(Ear(stream.clone())), stream, shared: shared.clone() }
    }

    /// The next line, of which a value may follow; `None` when the connection has ended.
    pub fn hear_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).ok()?;
        Some(String::from_utf8_lossy(line.strip_suffix(b"\r\n")?).into_owned())
    }

    /// The next whole command; `None` when the connection has ended.
    pub fn hear(&mut self) -> Option<Said> {
        let line = self.hear_line()?;
        let mut value = Vec::new();
        if let Some(length) = value_length(&line) {
            value.resize(length + 2, 0);
            self.reader.read_exact(&mut value).ok()?;
            value.truncate(length);
        }
        self.shared.commands.lock().unwrap().push(line.clone());
        Some(Said { line, value })
    }

    /// Whether the bytes could be written; a script need not care.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        (&*self.stream).write_all(bytes.as_ref()).is_ok()
    }

    /// Hears until the other side closes, and answers nothing.
    pub fn ignore(&mut self) {
        while self.hear().is_some() {}
    }

    /// Answers everything as [`echo`] does, each answer `delay` after its command and none behind another, until
    /// the other side closes.
    pub fn behave_late(&mut self, delay: Duration) {
        let (sender, answers) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
        let stream = self.stream.clone();
        std::thread::spawn(move || {
            for (at, answer) in answers {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                let _ = (&*stream).write_all(&answer);
            }
        });
        while let Some(said) = self.hear() {
            let _ = sender.send((Instant::now() + delay, echo(&said)));
        }
    }

    /// Answers everything as [`echo`] does, until the other side closes.
    pub fn behave(&mut self) {
        while let Some(said) = self.hear() {
            self.say(echo(&said));
        }
    }

    /// Leaving the script from here on resets the connection instead of closing it.
    pub fn reset_at_end(&mut self) {
        socket2::SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Which way bytes go through a [`relay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToNode,
    ToKetch,
}

/// Passes bytes between ketch and the real node on `port`, at most `chunk` at once. `gate` is asked before each
/// chunk; it may take its time, and where it says no that chunk is lost and the connection with it.
pub fn relay(talk: &mut Talk, port: u16, chunk: usize, gate: impl Fn(Way) -> bool + Send + Sync) {
    let Ok(node) = TcpStream::connect(("127.0.0.1", port)) else { return };
    node.set_nodelay(true).unwrap();
    let (stream, reader) = (&*talk.stream, &mut talk.reader);
    std::thread::scope(|scope| {
        scope.spawn(|| pump(reader, &node, stream, chunk, || gate(Way::ToNode)));
        pump(&mut &node, stream, &node, chunk, || gate(Way::ToKetch));
    });
}

/// Copies `from` to `to` until either ends or `may_pass` says no; then ends both `to` and `back`.
fn pump(from: &mut impl Read, mut to: &TcpStream, back: &TcpStream, chunk: usize, may_pass: impl Fn() -> bool) {
    let mut buffer = vec![0; chunk];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = back.shutdown(Shutdown::Both);
}

/// What a node answers that has every key, each with its own name as its value; every number is 1.
pub fn echo(said: &Said) -> Vec<u8> {
    let words = said.words();
    let key = words.get(1).copied().unwrap_or_default();
    let items = |keys: &[&str], cas: &str| {
        let item = |key: &&str| format!("VALUE {key} 0 {}{cas}\r\n{key}\r\n", key.len());
        keys.iter().map(item).collect::<String>() + "END"
    };
    let answer = match words.first().copied().unwrap_or_default() {
        "get" => items(&words[1..], ""),
        "gets" => items(&words[1..], " 5"),
        "gat" => items(&words[2..], ""),
        "set" | "add" | "replace" | "append" | "prepend" | "cas" => "STORED".to_owned(),
        "delete" => "DELETED".to_owned(),
        "touch" => "TOUCHED".to_owned(),
        "incr" | "decr" => "1".to_owned(),
        "mg" if words.contains(&"v") => format!("VA {}{}\r\n{key}", key.len(), opaque(&words)),
        "ma" if words.contains(&"v") => format!("VA 1{}\r\n1", opaque(&words)),
        "mg" | "ms" | "md" | "ma" => format!("HD{}", opaque(&words)),
        "version" => "VERSION 1.6.18".to_owned(),
        "flush_all" => "OK".to_owned(),
        _ => "ERROR".to_owned(),
    };
    (answer + "\r\n").into_bytes()
}

fn opaque(words: &[&str]) -> String {
    words[2..].iter().find(|flag| flag.starts_with('O')).map(|flag| format!(" {flag}")).unwrap_or_default()
}

/// The length of the value that stands behind this line.
fn value_length(line: &str) -> Option<usize> {
    let mut words = line.split_whitespace();
    let place = match words.next()? {
        "set" | "add" | "replace" | "append" | "prepend" | "cas" => 3,
        "ms" => 1,
        _ => return None,
    };
    words.nth(place)?.parse().ok()
}

/// A listener whose queue is full: a connection to it never comes up.
pub struct Deaf {
    pub address: SocketAddr,
    _listener: socket2::Socket,
    _queue: Vec<socket2::Socket>,
}

impl Deaf {
    pub fn start() -> Self {
        let socket = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut queue = Vec::new();
        loop {
            assert!(queue.len() < 16, "the queue of a listener is never full");
            let stream = socket();
            match stream.connect_timeout(&address.into(), Duration::from_millis(100)) {
                Ok(()) => queue.push(stream),
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => break,
                Err(error) => panic!("{error}"),
            }
        }
        Self { address, _listener: listener, _queue: queue }
    }
}

struct Ear(Arc<TcpStream>);

impl Read for Ear {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

/// A node that says what the test tells it to, when it is told; on one connection at a time, so for one worker.
pub struct Puppet {
    pub fake: Fake,
    tell: Sender<(usize, Vec<u8>)>,
    done: Receiver<()>,
}

impl Puppet {
    pub fn start() -> Self {
        let (tell, told) = channel::<(usize, Vec<u8>)>();
        let (say_done, done) = channel();
        let strings = Mutex::new((told, say_done));
        let fake = Fake::start(move |talk| {
            let (told, done) = &*strings.lock().unwrap();
            while let Ok((commands, bytes)) = told.recv() {
                if (0..commands).any(|_| talk.hear().is_none()) {
                    return;
                }
                talk.say(bytes);
                let _ = done.send(());
            }
        });
        Self { fake, tell, done }
    }

    /// Has it hear so many commands and then say `bytes`; returns when they are on their way.
    pub fn hear_and_say(&self, commands: usize, bytes: impl Into<Vec<u8>>) {
        self.tell.send((commands, bytes.into())).unwrap();
        self.done.recv_timeout(PATIENCE).expect("the puppet waits for commands that do not come");
    }
}
