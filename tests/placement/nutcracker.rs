//! Asks a real nutcracker (twemproxy) where keys go.
//!
//! Its servers are threads of the test behind unix sockets, each of which answers a `get` with its own number.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use ketch::model::{Compatibility, Endpoint, HashKind, Placement};
use ketch::ring::{Member, Ring, label};

use super::cases::{Case, SIZES, keys};
use super::support::{PATIENCE, Process, folder_of_sockets, free_port, program, wait_for};

/// Keys a command.
const BATCH: usize = 50;
/// Cases one nutcracker serves; each has a listener and a connection to each of its nodes.
const POOLS: usize = 24;

/// The owner of each key in each case, as an index into the case's list.
pub fn owners(cases: &[Case], keys: &[Vec<u8>]) -> Vec<Vec<usize>> {
    owners_of(cases, SIZES.into_iter().max().unwrap(), keys, pool)
}

/// The same for any pools; `pool` writes one over the sockets that it is given, of which there are `most`.
pub fn owners_of<T>(
    cases: &[T],
    most: usize,
    keys: &[Vec<u8>],
    pool: impl Fn(&T, &[PathBuf]) -> String,
) -> Vec<Vec<usize>> {
    let folder = folder_of_sockets();
    let servers: Vec<PathBuf> = (0..most)
        .map(|number| {
            let path = folder.path().join(format!("{number}"));
            let listener = UnixListener::bind(&path).unwrap();
            thread::spawn(move || listener.incoming().for_each(|client| answer(client.unwrap(), number)));
            path
        })
        .collect();
    let ask = |cases: &[T]| {
        let pools: Vec<String> = cases.iter().map(|case| pool(case, &servers)).collect();
        let proxy = Proxy::start(&pools);
        (0..cases.len()).map(|pool| proxy.owners(pool, keys)).collect::<Vec<_>>()
    };
    cases.chunks(POOLS).flat_map(ask).collect()
}

fn pool(case: &Case, servers: &[PathBuf]) -> String {
    let mut pool = format!("  distribution: {}\n  hash: {}\n  servers:\n", case.distribution_name(), case.hash_name());
    for (node, server) in case.list().iter().zip(servers) {
        writeln!(pool, "   - {}:{} {}", server.display(), node.weight, node.name.as_deref().unwrap()).unwrap();
    }
    pool
}

/// A nutcracker with pools that listen on unix sockets in its folder.
struct Proxy {
    _process: Process,
    folder: tempfile::TempDir,
}

impl Proxy {
    fn start(pools: &[String]) -> Self {
        let folder = folder_of_sockets();
        let mut text = String::new();
        for (number, pool) in pools.iter().enumerate() {
            let listen = Self::listener(folder.path(), number);
            write!(text, "p{number}:\n  listen: {}\n  timeout: 10000\n{pool}", listen.display()).unwrap();
        }
        let file = folder.path().join("nutcracker.yml");
        std::fs::write(&file, &text).unwrap();
        let mut command = Command::new(program("nutcracker", "nutcracker"));
        command.arg("-c").arg(&file).args(["-a", "127.0.0.1", "-s", &free_port().to_string()]);
        command.arg("-o").arg(folder.path().join("log")).arg("-p").arg(folder.path().join("pid"));
        let mut process = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
        wait_for("nutcracker", || {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "nutcracker ended: {ended:?}, over\n{text}");
            UnixStream::connect(Self::listener(folder.path(), pools.len() - 1)).ok()
        });
        Self { _process: process, folder }
    }

    fn listener(folder: &Path, pool: usize) -> PathBuf {
        folder.join(format!("p{pool}"))
    }

    fn connect(&self, pool: usize) -> BufReader<UnixStream> {
        let stream = UnixStream::connect(Self::listener(self.folder.path(), pool)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(stream)
    }

    fn owners(&self, pool: usize, keys: &[Vec<u8>]) -> Vec<usize> {
        let mut client = self.connect(pool);
        let mut owners = HashMap::new();
        for batch in keys.chunks(BATCH) {
            let command = [&b"get "[..], &batch.join(&b' '), b"\r\n"].concat();
            client.get_mut().write_all(&command).unwrap();
            // `VALUE key 0 length`, the number, and so on up to `END`: in no order, so that the key tells.
            while let Some(key) = value_line(&mut client) {
                owners.insert(key, line(&mut client).parse::<usize>().unwrap());
            }
        }
        keys.iter().map(|key| owners[key]).collect()
    }

    /// The owner of one key, or `None` where its server does not answer.
    fn owner(&self, pool: usize, key: &[u8]) -> Option<usize> {
        let mut client = self.connect(pool);
        client.get_mut().write_all(&[b"get ", key, b"\r\n"].concat()).unwrap();
        let mut answer = Vec::new();
        client.read_until(b'\n', &mut answer).unwrap();
        answer.starts_with(b"VALUE ").then(|| line(&mut client).parse().unwrap())
    }
}

fn value_line(client: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    client.read_until(b'\n', &mut line).unwrap();
    if line == b"END\r\n" {
        return None;
    }
    let key = line.split(|byte| *byte == b' ').nth(1).filter(|_| line.starts_with(b"VALUE "));
    Some(key.unwrap_or_else(|| panic!("nutcracker says {}", line.escape_ascii())).to_vec())
}

fn line(client: &mut impl BufRead) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Serves one connection of a proxy: every key's value is `number`.
fn answer(stream: impl Read + Write + Send + 'static, number: usize) {
    thread::spawn(move || {
        let mut client = BufReader::new(stream);
        let mut command = Vec::new();
        while client.read_until(b'\n', &mut command).is_ok_and(|count| count > 0) {
            let value = number.to_string();
            let mut answer = Vec::new();
            for key in command.trim_ascii_end().split(|byte| *byte == b' ').skip(1) {
                answer.extend_from_slice(b"VALUE ");
                answer.extend_from_slice(key);
                write!(answer, " 0 {}\r\n{value}\r\n", value.len()).unwrap();
            }
            answer.extend_from_slice(b"END\r\n");
            if client.get_mut().write_all(&answer).is_err() {
                return;
            }
            command.clear();
        }
    });
}

/// Unnamed nodes have the strings that [`label`] makes: of an address, of one with port 11211 (where nobody listens, so that
/// no answer is the answer), of a unix socket.
#[test]
fn nutcracker_makes_the_same_strings_of_addresses() {
    let folder = folder_of_sockets();
    let socket = folder.path().join("s");
    let unix = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || unix.incoming().for_each(|client| answer(client.unwrap(), 0)));
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    thread::spawn(move || tcp.incoming().for_each(|client| answer(client.unwrap(), 1)));

    let nodes = [Endpoint::Unix(socket.clone()), format!("127.0.0.1:{port}").parse().unwrap()];
    let silent: Endpoint = "127.81.82.83:11211".parse().unwrap();
    let servers = format!("   - {}:1\n   - {}:1\n   - {silent}:1\n", socket.display(), nodes[1]);
    let proxy = Proxy::start(&[format!("  distribution: ketama\n  hash: murmur\n  servers:\n{servers}")]);

    let placement = twemproxy(HashKind::Murmur);
    let members = nodes.iter().chain([&silent]).map(|endpoint| member(label(endpoint, None, placement.compatibility)));
    let ring = Ring::new(&placement, &members.collect::<Vec<_>>()).unwrap();
    let keys = &keys("twemproxy")[..300];
    let theirs: Vec<usize> = keys.iter().map(|key| proxy.owner(0, key).unwrap_or(2)).collect();
    let ours: Vec<usize> = keys.iter().map(|key| ring.owner(ring.hash(key))).collect();
    assert_eq!(ours, theirs);
    for owner in 0..3 {
        assert!(ours.contains(&owner), "the keys say nothing of node {owner}");
    }
}

#[test]
fn nutcracker_takes_the_same_part_of_a_key_for_its_tag() {
    let folder = folder_of_sockets();
    let mut pool = String::from("  distribution: ketama\n  hash: fnv1a_64\n  hash_tag: \"{}\"\n  servers:\n");
    let mut members = Vec::new();
    for number in 0..7 {
        let path = folder.path().join(format!("{number}"));
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || listener.incoming().for_each(|client| answer(client.unwrap(), number)));
        writeln!(pool, "   - {}:1 node{number}", path.display()).unwrap();
        members.push(member(format!("node{number}")));
    }
    let proxy = Proxy::start(&[pool]);
    let placement = Placement { hash_tag: Some((b'{', b'}')), ..twemproxy(HashKind::Fnv1a64) };
    let ring = Ring::new(&placement, &members).unwrap();
    let shapes = ["u{#}", "{#}:a", "{}#", "a{}{#}", "{{#}}", "}#{", "}a{#}", "{#", "#}", "a{#}b{c}", "#"];
    let keys: Vec<Vec<u8>> =
        (0..40).flat_map(|number| shapes.map(|shape| shape.replace('#', &number.to_string()).into_bytes())).collect();
    let ours: Vec<usize> = keys.iter().map(|key| ring.owner(ring.hash(key))).collect();
    assert_eq!(ours, proxy.owners(0, &keys));
}

fn twemproxy(hash: HashKind) -> Placement {
    Placement { hash, compatibility: Compatibility::Twemproxy, ..Placement::default() }
}

fn member(label: String) -> Member {
    Member { label, weight: 1 }
}
