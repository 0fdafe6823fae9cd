//! Real clients, installed from PyPI and npm, work through ketch as they work with memcached.
//!
//! Each script of tests/clients asks one client for what applications ask of it. It runs against a bare
//! memcached too: a script that fails there is wrong, one that fails only through ketch found a fault of ketch's.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Ketch, Memcached, program};

/// What a script may take at most, in seconds; each waits some three seconds for items to expire.
const LIMIT: &str = "120";

/// One module a client, with a test for each thing that it may talk to.
macro_rules! clients {
    ($($client:ident: $script:literal,)*) => {$(
        mod $client {
            #[test]
            fn bare_memcached() {
                let server = super::Memcached::start();
                super::run($script, &server.address());
            }

            #[test]
            fn over_one_memcached() {
                let nodes = [super::Memcached::start()];
                let ketch = super::Ketch::over(&nodes);
                super::run($script, &ketch.memcached.to_string());
            }

            #[test]
            fn over_four_memcacheds() {
                let nodes: [_; 4] = std::array::from_fn(|_| super::Memcached::start());
                let ketch = super::Ketch::over(&nodes);
                super::run($script, &ketch.memcached.to_string());
            }

            #[test]
            fn over_embedded_stores() {
                let ketch = super::Ketch::embedded();
                super::run($script, &ketch.memcached.to_string());
            }
        }
    )*};
}

clients! {
    pymemcache: "with_pymemcache.py",
    pylibmc: "with_pylibmc.py",
    python_memcached: "with_python_memcached.py",
    meta_memcache: "with_meta_memcache.py",
    node_memcached: "with_memcached.js",
    node_memcache_client: "with_memcache_client.js",
}

/// Runs a script of tests/clients against an address; panics with what it printed if a check failed.
fn run(script: &str, address: &str) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let interpreter = interpreter(&tests, script);
    let output = Command::new(program("timeout", "coreutils"))
        .arg(LIMIT)
        .arg(interpreter)
        .arg(tests.join("clients").join(script))
        .arg(address)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{script} against {address} ended with {}:\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.lines().any(|line| line.ends_with(" passed, 0 failed")), "{script} checked nothing:\n{said}");
}

/// What runs the script, with its client installed.
fn interpreter(tests: &Path, script: &str) -> PathBuf {
    let (installed, interpreter) = if script.ends_with(".py") {
        let python = tests.join(".venv/bin/python");
        (python.clone(), python)
    } else {
        (tests.join("clients/node_modules"), program("node", "nodejs"))
    };
    assert!(installed.exists(), "{} is missing: run tests/run --prepare", installed.display());
    interpreter
}
