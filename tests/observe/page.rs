//! The status page in a real browser, under load, while a node dies and comes back.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use super::support::{Client, Ketch, Memcached, Process, folder_of_sockets, pool, program};

/// Somebody who reads and writes without haste until dropped.
pub struct Load {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Stores and reads; half of the keys are never stored, and one is asked for all the time.
    pub fn on(ketch: &Ketch) -> Self {
        Self::start(ketch, |client, number| {
            let key = number * 7919 % 997;
            client
                .say(format!("set user:{key} 0 0 5\r\nvalue\r\nget user:{key}\r\nget none:{key}\r\nget hot\r\nmn\r\n"));
            while client.line() != "MN" {}
        })
    }

    /// Stores one key, and then only reads it.
    pub fn reading(ketch: &Ketch, key: &'static str) -> Self {
        Self::start(ketch, move |client, number| {
            if number == 1 {
                client.ask(&format!("set {key} 0 0 0\r\n"));
            }
            client.say(format!("get {key}\r\nmn\r\n"));
            while client.line() != "MN" {}
        })
    }

    fn start(ketch: &Ketch, mut round: impl FnMut(&mut Client, u64) + Send + 'static) -> Self {
        let (address, ended) = (ketch.memcached, Arc::new(AtomicBool::new(false)));
        let over = ended.clone();
        let thread = std::thread::spawn(move || {
            let mut client = Client::connect(address);
            let mut number = 0;
            while !over.load(Relaxed) {
                number += 1;
                round(&mut client, number);
                std::thread::sleep(Duration::from_millis(if number % 400 < 200 { 1 } else { 3 }));
            }
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        if let (Some(thread), false) = (self.thread.take(), std::thread::panicking()) {
            thread.join().unwrap();
        }
    }
}

#[test]
fn the_page_is_alive_and_shows_a_node_that_dies_and_comes_back() {
    let mut nodes = [Memcached::start(), Memcached::start(), Memcached::start()];
    let settings = "health: { probe_interval: 200ms, probe_timeout: 10s, eject_after: 2 }";
    let ketch = Ketch::start(&pool(&nodes.each_ref().map(Memcached::address), settings));
    let _load = Load::on(&ketch);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(program("timeout", "coreutils"));
    command.arg("600").arg(program("node", "nodejs"));
    command.current_dir(root.join("tests/clients")).arg("status_page.js").arg(program("chromium", "chromium"));
    command.arg(format!("http://{}/", ketch.admin)).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let temporary = folder_of_sockets(); // Chromium has one
    let mut browser = Process::spawn(command.env("TMPDIR", temporary.path()));
    let mut answer = browser.0.stdin.take().unwrap();
    for wish in BufReader::new(browser.0.stdout.take().unwrap()).lines() {
        let port = nodes[1].port;
        match wish.unwrap().as_str() {
            "kill" => nodes[1].process.kill(),
            "restart" => nodes[1] = Memcached::start_on(port, &[]),
            other => panic!("the browser said {other}"),
        }
        answer.write_all(b"done\n").unwrap();
    }
    let status = browser.0.wait().unwrap();
    assert!(status.success(), "the page did not show what it must: see above");
}
