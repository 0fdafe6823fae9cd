//! Real Redis servers, and what a Redis client says to them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::{PATIENCE, Process, free_port, patiently, program, wait_for};

/// A real redis-server that keeps nothing on disk.
pub struct Redis {
    pub process: Process,
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more arguments (`--requirepass x` …).
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), arguments)
    }

    /// Starts one on a port of the caller's.
    pub fn start_on(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program("redis-server", "redis-server"));
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        command.arg("--dir").arg(folder.path()).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command);
        wait_for("redis-server", || {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "redis-server ended on port {port}: {ended:?}");
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { process, port, folder }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Says one command to it, on a connection of its own.
    pub fn say<const N: usize>(&self, words: [&[u8]; N]) -> Answer {
        Wire::connect(self.port).say(&words)
    }

    /// The same for commands of text.
    pub fn ask(&self, line: &str) -> Answer {
        Wire::connect(self.port).ask(line)
    }

    /// What `redis-cli` prints for these words.
    pub fn cli(&self, words: &[&str]) -> String {
        let mut command = Command::new(program("redis-cli", "redis-tools"));
        let output = command.args(["-p", &self.port.to_string()]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Answer>),
}

impl Answer {
    pub fn text(&self) -> String {
        match self {
            Self::Status(text) | Self::Error(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Nil => "(nil)".into(),
            Self::Array(answers) => answers.iter().map(|answer| answer.text() + "\n").collect(),
        }
    }
}

/// A connection to a Redis server, by hand: the tests do not judge ketch's codec by itself.
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn ask(&mut self, line: &str) -> Answer {
        self.say(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    pub fn say(&mut self, words: &[&[u8]]) -> Answer {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&bytes).unwrap();
        self.hear()
    }

    fn hear(&mut self) -> Answer {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let rest = line[1..].trim_end().to_owned();
        match line.as_bytes()[0] {
            b'+' => Answer::Status(rest),
            b'-' => Answer::Error(rest),
            b':' => Answer::Integer(rest.parse().unwrap()),
            b'$' if rest == "-1" => Answer::Nil,
            b'$' => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                Answer::Bulk(bytes)
            }
            b'*' => Answer::Array((0..rest.parse().unwrap_or(0)).map(|_| self.hear()).collect()),
            _ => panic!("not RESP: {line}"),
        }
    }
}

/// The configuration of one pool of Redis servers that may be flushed; `settings` are more keys of the pool, see
/// [`patiently`].
pub fn pool(nodes: &[Redis], settings: &str) -> String {
    let settings = patiently(settings);
    let nodes: Vec<String> = nodes.iter().map(Redis::address).collect();
    format!("pools: {{ main: {{ protocol: redis, nodes: {nodes:?}, {settings} }} }}\nroutes: [{{ pool: main }}]\n")
}
