//! Asks the real spymemcached where keys go, by `Spymemcached.java`.

use std::process::Command;

use super::cases::Case;
use super::libmemcached::ask;
use super::support::program;

/// The owner of each key in each case, as an index into the case's list.
pub fn owners(cases: &[Case], keys: &[Vec<u8>]) -> Vec<Vec<usize>> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/placement/Spymemcached.java");
    let mut java = Command::new(program("java", "default-jdk-headless"));
    ask(java.args(["-cp", "/usr/share/java/*", source]), cases, keys)
}
