//! What `ketch import` writes has every key where the program that is replaced has it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ketch::config::Config;
use ketch::topology::ring_of;

use super::cases::{HASHES, Random, keys};
use super::nutcracker;
use super::support::program;

/// One pool of a nutcracker.yml.
struct Pool {
    file: PathBuf,
    name: String,
    /// What places keys, as the file has it.
    settings: String,
    /// Weight and node string of each server.
    servers: Vec<(u32, String)>,
}

#[test]
fn twemproxys_own_examples_keep_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/nutcracker");
    let mut pools = Vec::new();
    for name in ["nutcracker.yml", "nutcracker.leaf.yml", "nutcracker.root.yml"] {
        // The servers of this test speak memcached; what a server speaks places no key.
        let text = std::fs::read_to_string(examples.join(name)).unwrap().replace("redis: true", "redis: false");
        let file = folder.path().join(name);
        std::fs::write(&file, &text).unwrap();
        pools.extend(read(&file, &text));
    }
    assert_eq!(pools.len(), 7);
    agree(&pools);
}

#[test]
fn ten_generated_files_keep_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(5);
    let mut pools = Vec::new();
    for number in 0..10 {
        let text = generated(number, &mut random);
        let file = folder.path().join(format!("{number}.yml"));
        std::fs::write(&file, &text).unwrap();
        pools.extend(read(&file, &text));
    }
    assert_eq!(pools.len(), 10);
    agree(&pools);
}

#[test]
fn libmemcacheds_strings_keep_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("client");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/placement/libmemcached_string.c");
    let mut compiler = Command::new(program("cc", "gcc"));
    assert!(compiler.arg(source).arg("-o").arg(&binary).arg("-lmemcached").status().unwrap().success());
    let keys: Vec<_> = keys("libmemcached").into_iter().filter(|key| key.len() < 200).collect();
    for string in [
        "--SERVER=10.0.0.1 --SERVER=10.0.0.2:11212 --SERVER=cache-3.internal:11211",
        "--SERVER=10.0.0.1/?3 --SERVER=10.0.0.2:11212/?1 --HASH=MD5",
        "--DISTRIBUTION=CONSISTENT --SERVER=10.0.0.1 --SERVER=10.0.0.2:11212 --SERVER=10.0.0.3",
        "--DISTRIBUTION=CONSISTENT,MD5 --HASH=FNV1A_32 --SERVER=10.0.0.1 --SERVER=10.0.0.2:11212 --SERVER=10.0.0.3",
        "--DISTRIBUTION=CONSISTENT --SERVER=10.0.0.1/?2 --SERVER=10.0.0.2:11212/?5 --HASH=MURMUR",
        "--SERVER=10.0.0.1/?2 --SERVER=10.0.0.2:11212/?5 --DISTRIBUTION=CONSISTENT",
        "--DISTRIBUTION=CONSISTENT --SOCKET=\"/run/a.sock\" --SOCKET=\"/run/b.sock\"/?4 --SERVER=10.0.0.1",
        "--SERVER=10.0.0.1 --SERVER=10.0.0.2 --SERVER=10.0.0.3 --NAMESPACE=\"app:\"",
        "--SERVER=10.0.0.1 --SERVER=10.0.0.2 --SERVER=10.0.0.3 --NAMESPACE=\"app:\" --HASH-WITH-NAMESPACE",
    ] {
        let prefix = if string.contains("NAMESPACE") { "app:" } else { "" };
        let theirs = ask(&binary, string, &keys);
        let seen: Vec<_> = keys.iter().map(|key| [prefix.as_bytes(), key].concat()).collect();
        let ours = owners(&["libmemcached", string], &seen);
        let differences = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
        assert_eq!(differences, 0, "{string}: of {} keys", keys.len());
    }
}

/// Every pool's keys have the same owner with nutcracker and with what is imported.
fn agree(pools: &[Pool]) {
    let keys = keys("twemproxy");
    let most = pools.iter().map(|pool| pool.servers.len()).max().unwrap();
    let theirs = nutcracker::owners_of(pools, most, &keys, |pool, sockets| {
        let mut text = pool.settings.clone() + "  servers:\n";
        for ((weight, name), socket) in pool.servers.iter().zip(sockets) {
            writeln!(text, "   - \"{}:{weight} {name}\"", socket.display()).unwrap();
        }
        text
    });
    for (pool, theirs) in pools.iter().zip(theirs) {
        let ours = owners(&["twemproxy", pool.file.to_str().unwrap(), "--pool", &pool.name], &keys);
        let differences = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
        let file = pool.file.file_name().unwrap().display();
        assert_eq!(differences, 0, "{file}, pool {}: of {} keys", pool.name, keys.len());
    }
}

/// The owner of each key in the one pool that `ketch import` writes.
fn owners(arguments: &[&str], keys: &[Vec<u8>]) -> Vec<usize> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ketch"));
    let output = command.arg("import").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let config = Config::parse(&text, "imported").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let ring = ring_of(&config.pools[0]).unwrap();
    keys.iter().map(|key| ring.owner(ring.hash(key))).collect()
}

/// Asks a client that was made of `string`.
fn ask(binary: &Path, string: &str, keys: &[Vec<u8>]) -> Vec<usize> {
    let mut command = Command::new(binary);
    let mut child = command.arg(string).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let hex: String =
        keys.iter().map(|key| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n").collect();
    let writer = std::thread::spawn(move || input.write_all(hex.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{string}: {}", output.status);
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|owner| owner.parse().unwrap()).collect()
}

/// The pools of a file, read by a reader of its own: two blanks before a key, three and a dash before a server.
fn read(file: &Path, text: &str) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(server) = line.strip_prefix("   - ") {
            pools.last_mut().unwrap().servers.push(node_string(server));
        } else if let Some(setting) = line.strip_prefix("  ") {
            let places = ["hash", "hash_tag", "distribution"].contains(&setting.split(':').next().unwrap());
            if places {
                writeln!(pools.last_mut().unwrap().settings, "  {setting}").unwrap();
            }
        } else {
            let name = line.trim_end_matches(':').to_owned();
            pools.push(Pool { file: file.to_owned(), name, settings: String::new(), servers: Vec::new() });
        }
    }
    pools
}

/// The weight, and the string that nutcracker gives a server: its name, else the address without port 11211
/// (`nutcracker_makes_the_same_strings_of_addresses` holds that to the program).
fn node_string(server: &str) -> (u32, String) {
    let (address, name) = server.split_once(' ').map_or((server, None), |(address, name)| (address, Some(name)));
    let (address, weight) = address.rsplit_once(':').unwrap();
    let unnamed = match address {
        path if path.starts_with('/') => format!("{path}:"),
        address => address.strip_suffix(":11211").unwrap_or(address).to_owned(),
    };
    (weight.parse().unwrap(), name.map_or(unnamed, str::to_owned))
}

fn generated(number: u64, random: &mut Random) -> String {
    let (hash, _) = HASHES[random.below(HASHES.len() as u64) as usize];
    let distribution = ["ketama", "modula"][(number % 2) as usize];
    let mut text = format!("p{number}:\n  listen: 127.0.0.1:{}\n", 22121 + number);
    if number != 0 {
        writeln!(text, "  hash: {hash}\n  distribution: {distribution}").unwrap(); // the first has the defaults
    }
    if number.is_multiple_of(3) {
        text += "  hash_tag: \"{}\"\n";
    }
    text += "  servers:\n";
    for server in 0..2 + random.below(30) {
        let address = match random.below(4) {
            0 => format!("/run/{number}-{server}.sock"),
            1 => format!("10.{number}.0.{server}:11211"),
            2 => format!("fd00::{number}:{server}:11212"),
            _ => format!("cache-{server}.internal:{}", 11211 + random.below(3)),
        };
        let weight = if number % 4 == 1 { 1 + random.below(9) } else { 1 };
        let name = if random.below(3) == 0 { format!(" node{}", server * 7 % 31) } else { String::new() };
        writeln!(text, "   - {address}:{weight}{name}").unwrap();
    }
    text
}
