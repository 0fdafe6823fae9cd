//! `ketch get`, `set`, `delete` and `stats` against a running ketch.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::support::free_port;
use crate::{Served, over_every_pool};

over_every_pool! {
    items_are_stored_read_and_deleted_from_a_terminal,
}

pub fn items_are_stored_read_and_deleted_from_a_terminal(served: &Served) {
    let url = format!("http://{}", served.address());
    let ketch = |arguments: &[&str], input: &[u8]| run(arguments, &url, input);
    let printed = |output: Output| {
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert_eq!(printed(ketch(&["set", "a/b c", "hello", "--ttl", "60"], b"")), b"");
    assert_eq!(printed(ketch(&["get", "a/b c"], b"")), b"hello");
    assert!(served.ketch.connect().ask("mg YS9iIGM= b v").starts_with("VA 5"));
    for arguments in [&["set", "k"][..], &["set", "k", "-"]] {
        let value = vec![b'\xff'; 500_000];
        printed(ketch(arguments, &value));
        assert_eq!(printed(ketch(&["get", "k"], b"")), value);
        printed(ketch(&["delete", "k"], b""));
    }
    let missing = ketch(&["get", "k"], b"");
    assert_eq!((missing.status.code(), missing.stdout), (Some(1), vec![]));
    assert_eq!(String::from_utf8(missing.stderr).unwrap(), "ketch: there is no item of this key\n");
    assert_eq!(ketch(&["delete", "k"], b"").status.code(), Some(1));
    let large = ketch(&["set", "k"], &vec![0; 5_000_000]);
    assert_eq!(large.status.code(), Some(1));
    assert!(String::from_utf8(large.stderr).unwrap().contains("longer than 1048576 bytes"));
    let stats = String::from_utf8(printed(ketch(&["stats"], b""))).unwrap();
    assert!(stats.lines().any(|line| line.starts_with("get_hits ")), "{stats}");
    let stats = String::from_utf8(printed(ketch(&["stats", "settings"], b""))).unwrap();
    assert!(stats.contains("item_size_max 1048576\n"), "{stats}");
}

#[test]
fn a_ketch_that_is_not_there_is_told() {
    let output = run(&["get", "k"], &format!("http://127.0.0.1:{}", free_port()), b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("is ketch running"));
    assert_eq!(run(&["get", "k"], "https://127.0.0.1", b"").status.code(), Some(2));
}

fn run(arguments: &[&str], url: &str, input: &[u8]) -> Output {
    let mut ketch = Command::new(env!("CARGO_BIN_EXE_ketch"))
        .args(arguments)
        .env("KETCH_URL", url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = ketch.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that reads no input closes it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = ketch.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}
