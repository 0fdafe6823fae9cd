//! `ketch import`: what it writes, what it says has no counterpart, and what it refuses. That keys stay where they are
//! is shown beside the real programs, in `tests/placement/import.rs`.

use std::process::Command;

use ketch::config::Config;

#[test]
fn a_twemproxy_pool_with_all_its_keys() {
    let text = "\
alpha:
  listen: 0.0.0.0:22121
  hash: murmur
  hash_tag: \"{}\"
  distribution: ketama
  timeout: 400
  backlog: 512
  client_connections: 900
  preconnect: true
  tcpkeepalive: true
  auto_eject_hosts: true
  server_connections: 2
  server_retry_timeout: 2000
  server_failure_limit: 5
  servers:
   - 10.0.0.1:11211:1
   - 10.0.0.2:11212:3 second
   - ::1:11213:1
   - /run/m.sock:2 third
";
    let (written, said) = import("twemproxy", &[], text);
    assert_eq!(said, "");
    assert_eq!(
        written,
        "\
# Made by ketch import of twemproxy's pool alpha: every key stays on the server that has it.
listeners:
  memcached: [\"0.0.0.0:22121\"]
  http: []
limits:
  connections: 900
# backlog: 512 has no counterpart: ketch has 1024 waiting clients at the most
# preconnect: true has no counterpart: ketch always connects at the start
# tcpkeepalive: true has no counterpart: ketch keeps its connections to servers alive always
pools:
  \"alpha\":
    protocol: memcached
    compatibility: twemproxy
    distribution: ketama
    hash: murmur
    hash_tag: \"{}\"
    # timeout: 400 is both of these
    connect_timeout: 400ms
    request_timeout: 400ms
    # server_connections: 2 is for the process, this for each worker
    connections: 2
    # auto_eject_hosts: true: while a server is out, its keys go to the next on the ring; twemproxy makes a
    # ring without it, which puts more keys elsewhere meanwhile
    on_ejected: rehash
    health:
      eject_after: 5
      # one server may go, and so may all
      max_ejected: 100%
      # server_retry_timeout: 2000 has no counterpart: a server is let in when probes say it is well
    nodes:
      - { address: \"10.0.0.1:11211\" }
      - { address: \"10.0.0.2:11212\", weight: 3, name: \"second\" }
      - { address: \"[::1]:11213\" }
      - { address: \"unix:/run/m.sock\", weight: 2, name: \"third\" }
routes:
  - pool: \"alpha\"
"
    );
    Config::parse(&written, "written").unwrap();
}

#[test]
fn a_twemproxy_file_that_cannot_be_carried_is_refused_by_name() {
    let pool =
        |keys: &str| format!("a:\n  listen: 127.0.0.1:1\n{keys}  servers:\n   - 10.0.0.1:1:1\n   - 10.0.0.2:1:1\n");
    for (text, why) in [
        (pool("  distribution: random\n"), "distribution: random"),
        (pool("  colour: red\n"), "colour is no key of twemproxy 0.5"),
        (pool("  hash: sha\n"), "pools.a.hash: \"sha\""),
        (pool("") + &pool("").replace("a:\n", "b:\n"), "it has the pools a, b"),
        (pool("").replace(":1:1", ":1"), "is not host:port:weight"),
        (pool("  timeout: soon\n"), "timeout: \"soon\" is not a number"),
        ("- a\n".to_owned(), "it is no map of pools"),
    ] {
        let (written, said) = import("twemproxy", &[], &text);
        assert!(written.is_empty() && said.contains(why), "{why}: {said}{written}");
    }
    let two = pool("") + &pool("").replace("a:\n", "b:\n");
    assert!(import("twemproxy", &["--pool", "b"], &two).0.contains("- pool: \"b\""));
    assert!(import("twemproxy", &["--pool", "c"], &two).1.contains("there is no pool c; it has a, b"));
}

#[test]
fn an_mcrouter_file_keeps_its_pools_and_prefixes_and_says_that_keys_move() {
    let text = r#"
{
  // the pools
  "pools": {
    "A": { "servers": ["10.0.0.1:11211", "[::1]:11212:ascii:plain",], "server_timeout": 250 },
    "B": { "servers": [ /* one // only */ "10.0.0.2:11211" ] },
  },
  "route": {
    "type": "PrefixSelectorRoute",
    "policies": { "b": "PoolRoute|B", "a/*": { "type": "PoolRoute", "pool": "A" } },
    "wildcard": "PoolRoute|A"
  }
}"#;
    let (written, said) = import("mcrouter", &[], text);
    assert_eq!(said, "");
    assert!(written.contains("# KEYS MOVE: "), "{written}");
    let config = Config::parse(&written, "written").unwrap();
    let routes: Vec<_> = config
        .routes
        .iter()
        .map(|route| (String::from_utf8_lossy(&route.prefix).into_owned(), config.pools[route.pool].name.as_str()))
        .collect();
    assert_eq!(routes, [("a/*".to_owned(), "A"), ("b".to_owned(), "B"), (String::new(), "A")]);
    assert_eq!(config.pools[0].nodes.len(), 2);
    assert_eq!(config.pools[0].request_timeout.as_millis(), 250);
}

#[test]
fn plain_pool_forms_of_mcrouter_are_carried_and_all_else_is_refused_by_name() {
    let file = |route: &str| format!("{{\"pools\": {{\"A\": {{\"servers\": [\"h:1\"]}}}}, \"route\": {route}}}");
    for route in [
        "\"PoolRoute|A\"",
        "{\"type\": \"PoolRoute\", \"pool\": \"A\", \"hash\": \"Ch3\"}",
        "{\"type\": \"PrefixPolicyRoute\", \"default_policy\": \"PoolRoute|A\"}",
    ] {
        let (written, said) = import("mcrouter", &[], &file(route));
        assert!(written.contains("- pool: \"A\""), "{route}: {said}");
    }
    for (route, why) in [
        ("\"AllSyncRoute|Pool|A\"", "no counterpart to the route \"AllSyncRoute|Pool|A\""),
        ("\"PoolRoute|B\"", "there is no pool B"),
        ("{\"type\": \"FailoverRoute\", \"children\": []}", "no counterpart to the route FailoverRoute"),
        (
            "{\"type\": \"PrefixPolicyRoute\", \"operation_policies\": {}}",
            "\"operation_policies\" of PrefixPolicyRoute",
        ),
        ("{\"type\": \"PrefixSelectorRoute\", \"policies\": {}}", "has no wildcard"),
    ] {
        let (written, said) = import("mcrouter", &[], &file(route));
        assert!(written.is_empty() && said.contains(why), "{route}: {said}{written}");
    }
    let tls = file("\"PoolRoute|A\"").replace("h:1", "h:1:caret:ssl");
    assert!(import("mcrouter", &[], &tls).1.contains("does not speak caret:ssl"));
}

#[test]
fn a_libmemcached_string_says_what_it_leaves_out_and_refuses_what_it_cannot_carry() {
    let (written, said) =
        libmemcached("--SERVER=a.internal/?3 --server=b.internal:11212 --CONNECT-TIMEOUT=90 --BINARY-PROTOCOL");
    assert_eq!(said, "");
    for line in [
        "# --BINARY-PROTOCOL is the client's own affair",
        "distribution: modula",
        "hash: one_at_a_time",
        "connect_timeout: 90ms",
        "# the weights are left out",
        "- { address: \"a.internal:11211\" }",
        "- { address: \"b.internal:11212\" }",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    for (string, why) in [
        ("--SERVER=a --DISTRIBUTION=RANDOM", "ketch has CONSISTENT and MODULA"),
        ("--SERVER=a --SORT-HOSTS", "--SORT-HOSTS"),
        ("--SERVER=a --NUMBER-OF-REPLICAS=2", "one copy of a key"),
        ("--SERVER=a --COLOUR=red", "--COLOUR=red is no option"),
        ("--HASH=MD5", "there is no --SERVER"),
        ("--SERVER=a --NAMESPACE=\"x", "not closed"),
    ] {
        let (written, said) = libmemcached(string);
        assert!(written.is_empty() && said.contains(why), "{string}: {said}{written}");
    }
}

/// What `ketch import` of a file prints, and what it complains of.
fn import(program: &str, flags: &[&str], text: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    std::fs::write(&path, text).unwrap();
    run(Command::new(env!("CARGO_BIN_EXE_ketch")).args(["import", program]).arg(path).args(flags))
}

fn libmemcached(string: &str) -> (String, String) {
    run(Command::new(env!("CARGO_BIN_EXE_ketch")).args(["import", "libmemcached", string]))
}

fn run(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    assert_eq!(output.status.success(), output.stderr.is_empty());
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}
