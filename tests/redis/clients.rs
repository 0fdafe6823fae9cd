//! Other people's clients and tests pass over four Redis servers.

use std::path::Path;
use std::process::Command;

use super::support::redis::{Redis, pool};
use super::support::{Ketch, program};

fn over_four() -> ([Redis; 4], Ketch) {
    let nodes = std::array::from_fn(|_| Redis::start());
    let ketch = Ketch::start(&pool(&nodes, "flush: true"));
    (nodes, ketch)
}

/// Runs a program for two minutes at most; what it said.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}:\n{said}", output.status);
    said
}

pub fn memccapable(ketch: &Ketch) {
    let mut command = Command::new(program("timeout", "coreutils"));
    command.arg("120").arg(program("memccapable", "libmemcached-tools")).args(["-a", "-v", "-t", "10", "-h"]);
    let said = run(command.args(["127.0.0.1", "-p", &ketch.memcached.port().to_string()]));
    let passed = said.lines().filter(|line| line.starts_with("ascii ") && line.ends_with("[pass]")).count();
    assert_eq!(passed, 27, "{said}");
}

/// A script of tests/clients, without the checks that are named: what they ask for, Redis does not have.
pub fn script(ketch: &Ketch, script: &str, without: &[&str]) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let interpreter = match script.ends_with(".py") {
        true => tests.join(".venv/bin/python"),
        false => program("node", "nodejs"),
    };
    assert!(interpreter.exists(), "{} is missing: run tests/run --prepare", interpreter.display());
    let mut command = Command::new(program("timeout", "coreutils"));
    command.arg("120").arg(interpreter).arg(tests.join("clients").join(script)).arg(ketch.memcached.to_string());
    let said = run(command.env("KETCH_CHECKS_WITHOUT", without.join(" ")));
    assert!(said.lines().any(|line| line.ends_with(" passed, 0 failed")), "{script} checked nothing:\n{said}");
    let left_out = said.lines().filter(|line| line.starts_with("left out ")).count();
    assert_eq!(left_out, without.len(), "a check that is to be left out is not there:\n{said}");
}

#[test]
fn memccapable_over_four() {
    memccapable(&over_four().1);
}

#[test]
fn pymemcache_over_four() {
    // A flush that is put off is refused: Redis has none.
    script(&over_four().1, "with_pymemcache.py", &["flush_all_later"]);
}

#[test]
fn pylibmc_over_four() {
    script(&over_four().1, "with_pylibmc.py", &[]);
}

#[test]
fn node_memcached_over_four() {
    script(&over_four().1, "with_memcached.js", &[]);
}

#[test]
fn node_memcache_client_over_four() {
    script(&over_four().1, "with_memcache_client.js", &[]);
}
