//! Asks the real libmemcached where keys go, by a small C program (`libmemcached.c`) that the test compiles.

use std::io::Write as _;
use std::process::{Command, Stdio};

use ketch::model::Endpoint;

use super::cases::Case;
use super::support::program;

/// The owner of each key in each case, as an index into the case's list.
pub fn owners(cases: &[Case], keys: &[Vec<u8>]) -> Vec<Vec<usize>> {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("libmemcached");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/placement/libmemcached.c");
    let mut compiler = Command::new(program("cc", "gcc"));
    let compiled = compiler.arg(source).arg("-o").arg(&binary).arg("-lmemcached").output().unwrap();
    assert!(
        compiled.status.success(),
        "no libmemcached to compare with: run tests/run, or apt-get install libmemcached-dev\n{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    ask(&mut Command::new(binary), cases, keys)
}

/// Says the keys and the cases to a program's input, and reads a line of owners a case.
pub fn ask(command: &mut Command, cases: &[Case], keys: &[Vec<u8>]) -> Vec<Vec<usize>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = input_of(cases, keys);
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    writer.join().unwrap().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.split(' ').map(|owner| owner.parse().unwrap()).collect()).collect()
}

/// A line `keys COUNT`, a line of hexadecimal a key, then a line a case: distribution, hash, the number of nodes, and
/// host, port and weight of each; a unix socket has its path for a host and port 0.
fn input_of(cases: &[Case], keys: &[Vec<u8>]) -> String {
    let mut text = format!("keys {}\n", keys.len());
    for key in keys {
        text.extend(key.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    for case in cases {
        text += &format!("{} {} {}", case.distribution_name(), case.hash_name(), case.nodes);
        for node in case.list() {
            match node.endpoint {
                Endpoint::Tcp { host, port } => text += &format!(" {host} {port} {}", node.weight),
                Endpoint::Unix(path) => text += &format!(" {} 0 {}", path.display(), node.weight),
            }
        }
        text.push('\n');
    }
    text
}
