//! `check`, `explain`, the flags and the help.

use std::process::Command;

use serde_json::Value;

use super::program::{ketch, stderr, stdout};

#[test]
fn a_file_that_is_not_there() {
    let output = ketch(&["check", "/nowhere/f.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "ketch: cannot read /nowhere/f.yaml: No such file or directory (os error 2)\n");
}

#[test]
fn a_good_file_is_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.yaml");
    let text = "workers: 2\nlimits: {client_idle: 10m}\npools:\n  a: {protocol: embedded, nodes: [x]}\n  \
                b: {nodes: [h:1 n], compatibility: twemproxy}\n  c: {nodes: [h:1]}\nroutes: [{prefix: 'a:', pool: a}, \
                {pool: b}]\n";
    std::fs::write(&path, text).unwrap();
    let output = ketch(&["check", path.to_str().unwrap()]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let told = stdout(&output).replace(path.to_str().unwrap(), "f");
    // The http and admin lines follow what this version supports.
    let told: Vec<_> = told.lines().filter(|line| !line.starts_with("http ") && !line.starts_with("admin ")).collect();
    assert_eq!(
        told.join("\n"),
        "\
f is valid

workers    2
memcached  127.0.0.1:11211
limits     4096 connections, values of 1MiB
           2MiB of replies a client, 256MiB in all
           silent clients closed: 10m, drain 10s

pool a: embedded, 1 node, ketama over md5
  x (64MiB), weight 1, 100.0 % of the keys

pool b: memcached, 1 node, ketama over fnv1a_64, as twemproxy
  n (h:1), weight 1, 100.0 % of the keys

pool c: memcached, 1 node, ketama over md5
  h:1, weight 1, 100.0 % of the keys

routes
  \"a:\" -> a
  the rest -> b
  nothing -> c: no route leads to this pool"
    );
}

#[test]
fn explain_tells_the_way_of_a_key() {
    let output = ketch(&["explain", "foo"]);
    assert_eq!(output.status.code(), Some(0));
    // md5(foo) = acbd18db…, whose first four bytes, little-endian, are 3675831724.
    assert_eq!(
        stdout(&output),
        "\
foo
  routes  the rest -> default
  pool    default
  hashed  \"foo\"
  hash    3675831724 by md5
  point   3708422206 by ketama
  owner   b
  if out  a, then c
"
    );
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/from-twemproxy.yaml");
    let output = ketch(&["explain", "--json", "--config", example, "a{42}b", "42"]);
    let told: Value = serde_json::from_str(stdout(&output)).unwrap();
    let [tagged, plain] = told.as_array().unwrap().as_slice() else { panic!("two keys: {told}") };
    assert_eq!((&tagged["placed"]["hashed"], &tagged["key"]), (&"42".into(), &"a{42}b".into()));
    assert_eq!(tagged["placed"], plain["placed"]);
    assert_eq!(tagged["placed"]["next"].as_array().unwrap().len(), 2);
    let owner = &tagged["placed"]["owner"];
    assert!(owner["address"].as_str().unwrap().ends_with(":11211"), "{owner}");
}

/// A Redis Cluster places the keys itself: what ketch does not know, it does not claim to.
#[test]
fn a_cluster_s_slots_are_told_and_no_ring() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/redis-cluster.yaml");
    let checked = ketch(&["check", example]);
    let pool = "\
pool main: redis-cluster, 3 seeds; the cluster places the keys, by its slots
  10.0.0.1:6379, asked for the others
  10.0.0.2:6379, asked for the others
  10.0.0.3:6379, asked for the others
";
    assert!(stdout(&checked).contains(pool), "{}", stdout(&checked));
    assert!(!stdout(&checked).contains("ketama"), "{}", stdout(&checked));

    let explained = ketch(&["explain", "--config", example, "a{foo}b"]);
    assert_eq!(
        stdout(&explained),
        "\
a{foo}b
  routes  the rest -> main
  pool    main
  hashed  \"foo\"
  hash    44950 by crc16
  slot    12182 of 16384
  owner   the server of the cluster that has this slot; `redis-cli cluster slots` tells which
"
    );

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, from: &str, to: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, std::fs::read_to_string(example).unwrap().replace(from, to)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let planned = ketch(&["plan", example, &write("seeds.yaml", "10.0.0.1:6379", "10.0.0.4:6379")]);
    assert_eq!(
        stdout(&planned),
        "\
pool main: its cluster places the keys, by its slots
  in    10.0.0.4:6379, a seed of the cluster
  stays 10.0.0.2:6379, a seed of the cluster
  stays 10.0.0.3:6379, a seed of the cluster
  out   10.0.0.1:6379, a seed of the cluster
"
    );
    let planned = ketch(&["plan", &write("redis.yaml", "redis-cluster", "redis"), example]);
    assert!(stdout(&planned).starts_with("pool main: 100.00 % of the keys move"), "{}", stdout(&planned));
}

#[test]
fn what_is_no_key_is_not_explained() {
    let output = ketch(&["explain", &"k".repeat(251)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), format!("ketch: \"{}\": a key has at most 250 bytes\n", "k".repeat(251)));
}

#[test]
fn a_wrong_command_line_exits_2() {
    for args in [
        &["check"][..],
        &["explain"],
        &["--colour"],
        &["plan"],
        &["plan", "f"],
        &["--config", "f", "check", "f"],
        &["--workers", "0"],
    ] {
        let output = ketch(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("--help"), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_file_in_the_place_of_a_subcommand_gets_a_hint() {
    for args in [&["f.yaml"][..], &["serve", "f.yaml"], &["run", "f.yaml", "--workers", "2"]] {
        let output = ketch(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("ketch --config f.yaml"), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn flags_have_environment_twins() {
    let output = Command::new(env!("CARGO_BIN_EXE_ketch"))
        .args(["explain", "k"])
        .env("KETCH_CONFIG", "/nowhere/f.yaml")
        .output()
        .unwrap();
    assert!(stderr(&output).starts_with("ketch: cannot read /nowhere/f.yaml"), "{}", stderr(&output));
    let help = ketch(&["--help"]);
    for twin in ["KETCH_CONFIG", "KETCH_WORKERS", "KETCH_LOG", "KETCH_LOG_FORMAT"] {
        assert!(stdout(&help).contains(&format!("[env: {twin}=]")), "{twin}");
    }
}

#[test]
fn help_teaches() {
    let help = ketch(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let words = stdout(&help).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "without --config, it serves the built-in configuration: memcached on 127.0.0.1:11211",
        "Examples: ketch serve the built-in configuration",
        "ketch check ketch.yaml",
        "ketch explain --config ketch.yaml user:42",
        "ketch schema > ketch.schema.json",
    ] {
        assert!(words.contains(part), "{part}\n{words}");
    }
    let version = ketch(&["--version"]);
    assert_eq!(stdout(&version), concat!("ketch ", env!("CARGO_PKG_VERSION"), "\n"));
}
