//! libmemcached's own test of a server's text protocol passes through ketch, all 27 of it.

mod support;

use std::net::SocketAddr;
use std::process::Command;

use support::{Ketch, Memcached, program};

/// How many tests `memccapable -a` has (libmemcached 1.1.4).
const TESTS: usize = 27;

#[test]
fn bare_memcached() {
    let server = Memcached::start();
    passes(([127, 0, 0, 1], server.port).into());
}

#[test]
fn over_one_memcached() {
    let nodes = [Memcached::start()];
    passes(Ketch::over(&nodes).memcached);
}

#[test]
fn over_four_memcacheds() {
    let nodes: [_; 4] = std::array::from_fn(|_| Memcached::start());
    passes(Ketch::over(&nodes).memcached);
}

#[test]
fn over_embedded_stores() {
    passes(Ketch::embedded().memcached);
}

/// Runs all text tests (`-a`), each with time limits on its reads (`-t`) and saying what failed (`-v`).
fn passes(address: SocketAddr) {
    let output = Command::new(program("timeout", "coreutils"))
        .arg("120")
        .arg(program("memccapable", "libmemcached-tools"))
        .args(["-a", "-v", "-t", "10", "-h", &address.ip().to_string(), "-p", &address.port().to_string()])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().filter(|line| line.starts_with("ascii ") && line.ends_with("[pass]")).count();
    assert!(
        passed == TESTS && output.status.success(),
        "{passed} of {TESTS} passed, ended with {}:\n{said}",
        output.status
    );
}
