//! What ketch writes Redis clients read, and the other way round.

use std::path::Path;
use std::process::Command;

use super::clients::run;
use super::support::Ketch;
use super::support::redis::{Answer, Redis, pool};

/// How a value with flags begins.
const MARK: &[u8] = b"\0ketch:1";

fn over_one(node: Redis, settings: &str, environment: &[(&str, &str)]) -> (Redis, Ketch) {
    let nodes = [node];
    let ketch = Ketch::start_with(&pool(&nodes, settings), environment);
    let [node] = nodes;
    (node, ketch)
}

#[test]
fn redis_cli_reads_what_ketch_writes() {
    let (node, ketch) = over_one(Redis::start(), "", &[]);
    let mut client = ketch.connect();
    client.expect("set plain 0 0 5\r\nhello\r\nset n 0 100 2\r\n41\r\nincr n 1\r\n", "STORED\r\nSTORED\r\n42\r\n");
    assert_eq!(node.cli(&["GET", "plain"]), "hello");
    assert_eq!(node.cli(&["TTL", "plain"]), "-1");
    assert_eq!(node.cli(&["INCR", "n"]), "43");
    assert!((90..=100).contains(&node.cli(&["TTL", "n"]).parse().unwrap()));
    client.expect("incr n 1\r\nget n\r\n", "44\r\nVALUE n 0 2\r\n44\r\nEND\r\n");
    // A number that gets shorter has no blanks behind it, with which INCR would refuse it.
    client.expect("decr n 40\r\n", "4\r\n");
    assert_eq!(node.cli(&["INCR", "n"]), "5");

    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 5_000_000;
    client.expect(format!("set until 0 {unix} 1\r\nx\r\n"), "STORED\r\n");
    assert_eq!(node.cli(&["EXPIRETIME", "until"]), unix.to_string());
    client.expect("touch plain 500\r\n", "TOUCHED\r\n");
    assert!((490..=500).contains(&node.cli(&["TTL", "plain"]).parse().unwrap()));
    client.expect("append plain 0 0 1\r\n!\r\nprepend plain 0 0 1\r\n!\r\n", "STORED\r\nSTORED\r\n");
    assert_eq!(node.cli(&["GET", "plain"]), "!hello!");
    assert!((490..=500).contains(&node.cli(&["TTL", "plain"]).parse().unwrap()), "the life stays");
    client.expect("gat 0 plain\r\n", "VALUE plain 0 7\r\n!hello!\r\nEND\r\n");
    assert_eq!(node.cli(&["TTL", "plain"]), "-1");
}

#[test]
fn memcached_clients_read_what_redis_cli_writes() {
    let (node, ketch) = over_one(Redis::start(), "", &[]);
    let mut client = ketch.connect();
    assert_eq!(node.cli(&["SET", "k", "from redis", "EX", "100"]), "OK");
    client.expect("get k\r\nmg k f s t\r\n", "VALUE k 0 10\r\nfrom redis\r\nEND\r\nHD f0 s10 t100\r\n");
    node.cli(&["MSET", "a", "1", "b", "2"]);
    client.expect("get a none b\r\nincr a 1\r\n", "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n2\r\n");
    assert_eq!(node.say([b"SET", b"bytes", b"\xff\0\r\n"]), Answer::Status("OK".into()));
    client.expect("get bytes\r\n", b"VALUE bytes 0 4\r\n\xff\0\r\n\r\nEND\r\n");
}

#[test]
fn flags_travel_in_the_envelope_and_what_looks_like_one_survives() {
    let (node, ketch) = over_one(Redis::start(), "", &[]);
    let mut client = ketch.connect();
    client.expect("set f 258 0 5\r\nhello\r\n", "STORED\r\n");
    let stored = |key: &[u8]| match node.say([b"GET", key]) {
        Answer::Bulk(bytes) => bytes,
        other => panic!("{other:?}"),
    };
    assert_eq!(stored(b"f"), [MARK, b"\0\0\x01\x02hello"].concat());
    client.expect("append f 0 0 1\r\n!\r\nprepend f 9 0 1\r\n!\r\n", "STORED\r\nSTORED\r\n");
    assert_eq!(stored(b"f"), [MARK, b"\0\0\x01\x02!hello!"].concat());
    client.expect("get f\r\n", "VALUE f 258 7\r\n!hello!\r\nEND\r\n");

    let alike = [MARK, b"\0\0\0\x07value"].concat();
    let said = [format!("set alike 0 0 {}\r\n", alike.len()).as_bytes(), &alike, b"\r\n"].concat();
    client.expect(said, "STORED\r\n");
    let heard = [format!("VALUE alike 0 {}\r\n", alike.len()).as_bytes(), &alike, b"\r\nEND\r\n"].concat();
    client.expect("get alike\r\n", heard);
    assert_eq!(stored(b"alike"), [MARK, b"\0\0\0\0", &alike[..]].concat());

    // Also when it comes to look like one bit by bit, from either end.
    for (first, command, second) in
        [(&b"\0ketch"[..], "append", &b":1\0\0\0\x09x"[..]), (b"tch:1\0\0\0\x09x", "prepend", b"\0ke")]
    {
        let whole = if command == "append" { [first, second].concat() } else { [second, first].concat() };
        client.expect([format!("set bit 0 0 {}\r\n", first.len()).as_bytes(), first, b"\r\n"].concat(), "STORED\r\n");
        let said = [format!("{command} bit 0 0 {}\r\n", second.len()).as_bytes(), second, b"\r\n"].concat();
        client.expect(said, "STORED\r\n");
        let heard = [format!("VALUE bit 0 {}\r\n", whole.len()).as_bytes(), &whole, b"\r\nEND\r\n"].concat();
        client.expect("get bit\r\n", heard);
    }

    // A number with flags keeps them, and a token tells flags apart.
    client.expect("set n 3 0 1\r\n9\r\nincr n 1\r\nget n\r\n", "STORED\r\n10\r\nVALUE n 3 2\r\n10\r\nEND\r\n");
    client.say("mg n c\r\nset n 4 0 2\r\n10\r\nmg n c\r\n");
    assert_ne!((client.line(), client.line()).0, client.line());
}

#[test]
fn redis_py_and_pymemcache_share_a_server() {
    let (node, ketch) = over_one(Redis::start(), "", &[]);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut command = Command::new(tests.join(".venv/bin/python"));
    let said =
        run(command.arg(tests.join("clients/with_redis_py.py")).args([ketch.memcached.to_string(), node.address()]));
    assert!(said.contains("passed, 0 failed"), "{said}");
}

#[test]
fn user_password_and_database_come_from_where_they_are_kept() {
    let secret = "p4ss-of-the-test";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{secret}\n")).unwrap();
    let from_file = format!("{{ file: {} }}", file.path().display());
    for password in ["{ env: REDIS_PASSWORD }", &from_file, secret] {
        let acl = ["--user", "app", "on", &format!(">{secret}"), "~*", "+@all"];
        let settings = format!("user: app, password: {password}, database: 3");
        let environment = [("REDIS_PASSWORD", secret), ("RUST_LOG", "trace")];
        let (node, ketch) = over_one(Redis::start_with(&acl), &settings, &environment);
        let mut client = ketch.connect();
        client.expect("set k 0 0 1\r\nx\r\nincr none 1\r\n", "STORED\r\nNOT_FOUND\r\n");
        assert_eq!(node.cli(&["-n", "3", "GET", "k"]), "x");
        assert_eq!(node.cli(&["GET", "k"]), "");
        let clients = node.ask("CLIENT LIST").text();
        let ours: Vec<&str> = clients.lines().filter(|line| line.contains("name=ketch")).collect();
        assert!(
            !ours.is_empty() && ours.iter().all(|line| line.contains("user=app") && line.contains("db=3")),
            "{clients}"
        );
        client.say("stats settings\r\nstats ketch\r\n");
        let told: String = (0..2)
            .map(|_| std::iter::from_fn(|| Some(client.line()).filter(|line| line != "END")).collect::<String>())
            .collect();
        assert!(!told.contains(secret) && !ketch.log().contains(secret), "{}", ketch.log());
    }
}
