//! The commands that the README shows do what it says.
//!
//! A comment that the reader does not see stands above each fenced block that the test uses:
//!
//! - `<!-- test: serve -->` starts servers, on the ports that it names or on 11211; they run until others are
//!   started there, or to the end of the page.
//! - `<!-- test: run -->` is run by bash and must end well within a minute.
//! - `<!-- test: prints -->` is what the block run last printed, byte for byte but for line ends.
//! - `<!-- test: file NAME -->` is put into a file of that name.
//! - `<!-- no test: WHY -->` is left alone. Every `sh` block has one of these marks.
//!
//! The page speaks of fixed ports, and other things may live there. So each port from 11200 to 11299 becomes a free
//! one, the same all over the page; `cargo run` and `ketch` are this build; and ketch without a file, which would
//! use the ports that it has built in, is given them by `KETCH_CONFIG`. Commands run in a folder of their own with
//! a copy of config/.

mod support;

use std::collections::HashMap;
use std::fs::File;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Process, free_port, program, wait_for};

/// What ketch has built in, as far as a reader of the page can tell.
const BUILT_IN: &str = "pools: { default: { protocol: embedded, nodes: [a, b, c] } }\nroutes: [{ pool: default }]\n\
                        listeners: { memcached: [\"127.0.0.1:11211\"], http: [\"127.0.0.1:11280\"] }\n\
                        admin: \"127.0.0.1:11290\"\n";

#[test]
fn its_commands_do_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut reader = Reader::new(root);
    let mut used = HashMap::new();
    for block in blocks(&page) {
        let mark = block.mark.split_whitespace().next().unwrap_or_default().to_owned();
        match mark.as_str() {
            "serve" => reader.serve(&block),
            "run" => reader.run(&block),
            "prints" => reader.prints(&block),
            "file" => reader.file(&block),
            _ => continue,
        }
        *used.entry(mark).or_insert(0) += 1;
    }
    for mark in ["serve", "run", "prints"] {
        assert!(used.get(mark).is_some_and(|count| *count >= 1), "no block of the page is marked test: {mark}");
    }
}

#[test]
fn every_command_is_tested_or_says_why_not() {
    let page =
        "<!-- test: run -->\n```sh\nls\n```\ntext\n\n<!-- no test: long -->\n```sh\nmake\n```\n```yaml\na: 1\n```\n";
    let marks: Vec<_> = blocks(page).into_iter().map(|block| (block.mark, block.text)).collect();
    assert_eq!(marks, [("run", "ls\n"), ("none", "make\n"), ("none", "a: 1\n")]);
    let unmarked = std::panic::catch_unwind(|| blocks("text\n```sh\nls\n```\n"));
    assert!(unmarked.is_err(), "a block without a mark was passed over");
}

/// A fenced block of the page.
struct Block<'a> {
    /// `run`, `file NAME` …; `none` for one that is left alone.
    mark: &'a str,
    text: &'a str,
    line: usize,
}

/// All fenced blocks of a page; panics at a command that has no mark.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut rest = page;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        let Some(language) = line.strip_prefix("```") else {
            before = if line.trim().is_empty() { before } else { line };
            continue;
        };
        let number = page[..page.len() - rest.len()].lines().count();
        let end = rest.find("\n```").unwrap_or_else(|| panic!("README.md:{number}: the block has no end")) + 1;
        let comment = |kind| before.strip_prefix(kind).and_then(|mark| mark.strip_suffix("-->")).map(str::trim);
        let mark = match (comment("<!-- test:"), comment("<!-- no test:")) {
            (Some(mark), _) => mark,
            (None, Some(why)) if !why.is_empty() => "none",
            _ if language == "sh" => panic!("README.md:{number}: mark the block as tests/readme.rs has it"),
            _ => "none",
        };
        blocks.push(Block { mark, text: &rest[..end], line: number });
        rest = rest[end..].split_once('\n').map_or("", |(_, rest)| rest);
        before = "";
    }
    blocks
}

/// Somebody who does what the page says, in a folder of their own.
struct Reader {
    folder: tempfile::TempDir,
    ports: HashMap<String, u16>,
    servers: Vec<Servers>,
    printed: String,
}

/// What one block started, and the ports that the page says it is on.
struct Servers {
    process: Process,
    ports: Vec<String>,
}

impl Drop for Servers {
    /// Ends what bash started, too.
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
}

impl Reader {
    fn new(root: &Path) -> Self {
        let mut reader = Self {
            folder: tempfile::tempdir().unwrap(),
            ports: HashMap::new(),
            servers: vec![],
            printed: String::new(),
        };
        let ketch = env!("CARGO_BIN_EXE_ketch");
        reader.script("bin/ketch", &format!("exec '{ketch}' \"$@\""));
        reader.script(
            "bin/cargo",
            &format!(
                "while [ $# -gt 0 ] && [ \"$1\" != -- ]; do shift; done; [ $# = 0 ] || shift; exec '{ketch}' \"$@\""
            ),
        );
        reader.write("built-in.yaml", BUILT_IN);
        for entry in std::fs::read_dir(root.join("config")).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = Path::new("config").join(path.file_name().unwrap());
                reader.write(name.to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
            }
        }
        reader
    }

    fn serve(&mut self, block: &Block<'_>) {
        let mut ports = ports(block.text);
        if ports.is_empty() {
            ports.push("11211".to_owned());
        }
        self.servers.retain(|server| !server.ports.iter().any(|port| ports.contains(port)));

        let text = self.with_free_ports(block.text);
        let log = self.folder.path().join("log");
        let mut command = Command::new("bash");
        self.at_home(command.args(["-c", &text])).process_group(0).stderr(File::create(&log).unwrap());
        let mut process = Process::spawn(&mut command);
        for port in &ports {
            let free = self.free(port);
            wait_for(&format!("port {port} of README.md:{}", block.line), || {
                if let Some(status) = process.0.try_wait().unwrap() {
                    panic!("README.md:{}: {status}: {}", block.line, std::fs::read_to_string(&log).unwrap());
                }
                TcpStream::connect(("127.0.0.1", free)).ok()
            });
        }
        self.servers.push(Servers { process, ports });
    }

    fn run(&mut self, block: &Block<'_>) {
        let text = self.with_free_ports(block.text);
        let mut command = Command::new(program("timeout", "coreutils"));
        command.args(["60", "bash", "-euo", "pipefail", "-c", &text]);
        let output = self.at_home(&mut command).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        self.printed = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
        assert!(
            output.status.success(),
            "README.md:{}: {text}ended with {} (124: after a minute)\n{}{}",
            block.line,
            output.status,
            self.printed,
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn prints(&mut self, block: &Block<'_>) {
        let promised = self.with_free_ports(block.text);
        assert_eq!(self.printed, promised, "README.md:{}", block.line);
    }

    fn file(&mut self, block: &Block<'_>) {
        let name = block.mark.split_whitespace().nth(1);
        let name = name.unwrap_or_else(|| panic!("README.md:{}: the file has no name", block.line));
        self.write(name, block.text);
    }

    /// Has a command run in the reader's folder, where `cargo` and `ketch` are this build.
    fn at_home<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .env("KETCH_CONFIG", self.folder.path().join("built-in.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
    }

    fn with_free_ports(&mut self, text: &str) -> String {
        ports(text).iter().fold(text.to_owned(), |text, port| text.replace(port, &self.free(port).to_string()))
    }

    /// The port that stands for one of the page.
    fn free(&mut self, number: &str) -> u16 {
        *self.ports.entry(number.to_owned()).or_insert_with(free_port)
    }

    fn script(&mut self, name: &str, text: &str) {
        let path = self.write(name, &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn write(&mut self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, self.with_free_ports(text)).unwrap();
        path
    }
}

/// The ports from 11200 to 11299 that a text names, each once.
fn ports(text: &str) -> Vec<String> {
    let mut ports: Vec<String> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|number| number.len() == 5 && number.starts_with("112"))
        .map(str::to_owned)
        .collect();
    ports.sort();
    ports.dedup();
    ports
}
