//! What people read when they configure ketch: errors with their places, summaries, help, the schema, the examples.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex::Regex;
use serde_json::Value;

fn ketch(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ketch"));
    for name in ["KETCH_CONFIG", "KETCH_LOG", "KETCH_LOG_FORMAT", "KETCH_WORKERS"] {
        command.env_remove(name);
    }
    command.args(args).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs `ketch check` on a text; gives the exit code and what stderr says, the file being `f` in it.
fn check(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.yaml");
    std::fs::write(&path, text).unwrap();
    let output = ketch(&["check", path.to_str().unwrap()]);
    (output.status.code(), stderr(&output).replace(path.to_str().unwrap(), "f"))
}

#[track_caller]
fn refused(text: &str, lines: &[&str]) {
    let (code, told) = check(text);
    assert_eq!((code, told.lines().collect::<Vec<_>>()), (Some(1), lines.to_vec()), "{text}");
}

/// A pool `p` with one server and these keys.
fn pool(keys: &str) -> String {
    format!("pools:\n  p:\n    nodes: [h:1]\n    {keys}\n")
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn keys_that_are_unknown_or_repeated() {
    refused("worker: 2", &["f:1:1: worker: is not a key; did you mean workers?"]);
    refused("colour: red", &["f:1:1: colour: is not a key; here are admin, limits, listeners, pools, routes, workers"]);
    refused(
        &pool("health_check: 1"),
        &[
            "f:4:5: pools.p.health_check: is not a key; here are coalesce, compatibility, connect_timeout, connections, \
         database, distribution, flush, handover, hash, hash_tag, health, max_inflight, memory, nodes, on_ejected, \
         password, protocol, readmit, reads, reads_on_error, request_timeout, strip_prefix_for_hash, user",
        ],
    );
    refused("pools:\n  p:\n    node: [h:1]", &["f:3:5: pools.p.node: is not a key; did you mean nodes?"]);
    refused(
        "limits:\n  drain: 1s\n  memory: 1GiB\n  drain: 2s",
        &["f:4:3: limits.drain: stands here a second time; keep one of the two"],
    );
    refused(
        "pools:\n  p: {nodes: [h:1]}\n  p: {nodes: [h:2]}",
        &["f:3:3: pools.p: stands here a second time; keep one of the two"],
    );
}

#[test]
fn values_of_the_wrong_shape() {
    refused(
        "limits:\n  drain:",
        &["f:2:9: limits.drain: has no value; write one, or take the key out to have its default"],
    );
    refused("limits: 5", &["f:1:9: limits: is a single value, and a map belongs here"]);
    refused(
        "listeners: {memcached: h:1}",
        &["f:1:24: listeners.memcached: is a single value, and a list belongs here"],
    );
    refused(
        "pools: {p: {nodes: [[h:1]]}}",
        &["f:1:21: pools.p.nodes[0]: is a list, and a single value or a map belongs here"],
    );
    refused("- workers: 1", &["f:1:1: is a list, and a map belongs here"]);
    refused("workers: [", &["f:2:1: cannot be read as YAML: did not find expected node content"]);
    refused(
        "# nothing\n",
        &["f:1:1: nothing is written here; without --config, ketch serves its built-in configuration"],
    );
}

#[test]
fn single_values() {
    refused("workers: 0", &["f:1:10: workers: \"0\" is neither auto nor a whole number from 1 to 1024"]);
    refused(
        "limits:\n  drain: 10",
        &["f:2:10: limits.drain: \"10\" is not a time; write a whole number with ms, s, m, h or d, as in 250ms"],
    );
    refused(
        "limits: {value_size: 1MB}",
        &[
            "f:1:22: limits.value_size: \"1MB\" is not a size; write bytes, or a whole number with KiB, MiB or GiB, as in \
         64MiB",
        ],
    );
    refused("limits: {value_size: 2GiB}", &["f:1:22: limits.value_size: 2GiB is not between 1KiB and 1GiB"]);
    refused(
        "listeners: {memcached: [localhost]}",
        &["f:1:25: listeners.memcached[0]: \"localhost\" is not an address: the port is missing; write host:port, \
         [::1]:port or unix:/path"],
    );
    refused(
        &pool("hash: md6"),
        &["f:4:11: pools.p.hash: \"md6\" is none of md5, fnv1_64, fnv1a_64, fnv1_32, fnv1a_32, crc16, crc32, crc32a, \
         hsieh, murmur, jenkins, one_at_a_time, xxh3; did you mean md5?"],
    );
    refused(
        &pool("hash_tag: '{'"),
        &[
            "f:4:15: pools.p.hash_tag: \"{\" is not a hash tag; write the opening and the closing character, as in \"{}\"",
        ],
    );
    refused(
        &pool("request_timeout: 0s"),
        &["f:4:22: pools.p.request_timeout: 0s is no time at all; write more than 0, as in 250ms"],
    );
    refused(
        &pool("connections: 2000"),
        &["f:4:18: pools.p.connections: \"2000\" is not a whole number from 1 to 1024"],
    );
}

#[test]
fn limits_and_listeners_that_make_no_sense_together() {
    refused(
        "limits: {value_size: 4MiB}",
        &["f:1:1: limits.client_buffer: 2MiB is less than limits.value_size, which is 4MiB; write at least 4MiB"],
    );
    refused(
        "limits:\n  memory: 1MiB",
        &["f:2:11: limits.memory: 1MiB is less than limits.client_buffer, which is 2MiB; write at least 2MiB"],
    );
    refused(
        "listeners: {memcached: []}",
        &["f:1:1: listeners: nobody is served; name at least one address to listen on"],
    );
    refused(
        "listeners: {memcached: [a:1, a:1]}",
        &["f:1:30: listeners.memcached[1]: a:1 is the address of listeners.memcached[0] already; give it another"],
    );
}

#[test]
fn pools_and_nodes() {
    refused(
        "pools:\n  p: {protocol: memcached}",
        &["f:2:3: pools.p.nodes: is missing; write the nodes of the pool, as in [\"10.0.0.1:11211\"]"],
    );
    refused(
        "pools: {p: {nodes: []}}",
        &["f:1:20: pools.p.nodes: a pool has at least one node; write it, as in [\"10.0.0.1:11211\"]"],
    );
    refused(
        "pools: {}",
        &["f:1:8: pools: has no pools; name at least one, or take the key out to have the built-in one"],
    );
    refused(
        "pools:\n  p:\n    nodes:\n    - h:1\n    - {address: 'h:2', weight: 0}",
        &["f:5:32: pools.p.nodes[1].weight: \"0\" is not a whole number from 1 to 65535"],
    );
    refused(
        "pools: {p: {nodes: ['h:1:x']}}",
        &["f:1:21: pools.p.nodes[0]: the weight \"x\" is not a whole number from 1 to 65535"],
    );
    refused(
        "pools: {p: {nodes: [h:11211, h:2 h]}}",
        &["f:1:30: pools.p.nodes[1]: is \"h\" on the ring, as nodes[0] is; take one out, or give it a name of its own"],
    );
    refused(
        "pools: {p: {nodes: [{weight: 2}]}}",
        &["f:1:21: pools.p.nodes[0].address: is missing; write host:port, [::1]:port or unix:/path"],
    );
    refused(
        "pools: {p: {protocol: embedded, nodes: ['10.0.0.1:11211']}}",
        &[
            "f:1:41: pools.p.nodes[0]: \"10.0.0.1:11211\" looks like an address, and an embedded node has none; write a \
         name, or protocol: memcached",
        ],
    );
    refused(
        "pools: {p: {protocol: embedded, nodes: [a], memory: 512KiB}}",
        &["f:1:53: pools.p.memory: 512KiB does not hold one value of limits.value_size; write more than 1MiB"],
    );
    refused("pools: {'a b': {nodes: [h:1]}}", &["f:1:9: pools.a b: is no name for a pool; write one without blanks"]);
}

#[test]
fn keys_of_another_protocol() {
    refused(
        &pool("memory: 64MiB"),
        &["f:4:5: pools.p.memory: belongs to embedded, and this pool is memcached; take it out"],
    );
    refused(
        "pools: {p: {protocol: embedded, nodes: [a], connections: 1}}",
        &[
            "f:1:45: pools.p.connections: belongs to memcached, redis, redis-cluster, and this pool is embedded; take it out",
        ],
    );
    refused(
        &pool("compatibility: twemproxy\n    distribution: jump"),
        &["f:5:19: pools.p.distribution: twemproxy has no jump; write ketama or modula, or no compatibility"],
    );
}

#[test]
fn routes() {
    let two = "pools: {sessions: {nodes: [h:1]}, main: {nodes: [h:2]}}\n";
    refused(two, &["f:1:1: routes: is missing, and there is more than one pool; say which keys go to main, sessions"]);
    refused(
        &format!("{two}routes:\n- pool: mian"),
        &["f:3:9: routes[0].pool: there is no pool \"mian\"; did you mean main?"],
    );
    refused(
        &format!("{two}routes:\n- {{prefix: a, pool: main}}"),
        &["f:2:1: routes: no route takes the keys without one of these prefixes; add, as the last, - pool: main"],
    );
    refused(
        &format!("{two}routes:\n- pool: main\n- {{prefix: a, pool: main}}\n- {{prefix: a, pool: sessions}}"),
        &["f:5:12: routes[2].prefix: routes[1] has this prefix already; keep one of the two"],
    );
    refused(
        &format!("{two}routes:\n- pool: main\n- pool: sessions"),
        &["f:4:3: routes[1].prefix: routes[0] takes the rest already; give this route a prefix"],
    );
    refused(
        &format!("{two}routes:\n- prefix: ''"),
        &["f:3:3: routes[0].pool: is missing; write one of main, sessions"],
    );
}

#[test]
fn everything_wrong_is_told_in_the_order_of_the_file() {
    refused(
        "limits: {drain: 1}\npools:\n  p: {nodes: [a], hash: x}\nroutes: [{pool: q}]\n",
        &[
            "f:1:17: limits.drain: \"1\" is not a time; write a whole number with ms, s, m, h or d, as in 250ms",
            "f:3:15: pools.p.nodes[0]: \"a\" is not an address: the port is missing; write host:port, [::1]:port or \
         unix:/path",
            "f:3:25: pools.p.hash: \"x\" is none of md5, fnv1_64, fnv1a_64, fnv1_32, fnv1a_32, crc16, crc32, crc32a, hsieh, \
         murmur, jenkins, one_at_a_time, xxh3",
            "f:4:17: routes[0].pool: there is no pool \"q\"; write one of p",
        ],
    );
}

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
    let text = "workers: 2\nlimits: {client_idle: 10m}\npools:\n  a: {protocol: embedded, nodes: [x]}\n  b: {nodes: [h:1 n], \
                compatibility: twemproxy}\n  c: {nodes: [h:1]}\nroutes: [{prefix: 'a:', pool: a}, {pool: b}]\n";
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
  h:1 (h:1), weight 1, 100.0 % of the keys

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

#[test]
fn what_is_no_key_is_not_explained() {
    let output = ketch(&["explain", &"k".repeat(251)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), format!("ketch: \"{}\": a key has at most 250 bytes\n", "k".repeat(251)));
}

#[test]
fn a_wrong_command_line_exits_2() {
    for args in
        [&["check"][..], &["explain"], &["--colour"], &["plan"], &["--config", "f", "check", "f"], &["--workers", "0"]]
    {
        let output = ketch(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("--help"), "{args:?}: {}", stderr(&output));
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

#[test]
fn every_example_is_valid() {
    let examples = examples();
    assert!(examples.len() >= 4, "{examples:?}");
    for path in examples {
        let output = ketch(&["check", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

const EVERY_KEY: &str = include_str!("../config/ketch.yaml");

/// The annotated file with the # taken off the keys of which `wanted` says so, by the line.
fn uncommented(wanted: impl Fn(&str) -> bool) -> String {
    let key = Regex::new("^#(  +)?[^ #]").unwrap();
    let line = |line: &str| match key.is_match(line) && wanted(line) {
        true => line.replacen('#', "", 1),
        false => line.to_owned(),
    };
    EVERY_KEY.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_annotated_file_is_the_built_in_configuration() {
    let config = ketch::config::Config::parse(EVERY_KEY, "ketch.yaml").unwrap();
    assert_eq!(config, ketch::config::Config::built_in());
}

#[test]
fn the_annotated_pool_has_the_defaults() {
    let text = uncommented(|line| !line.contains("# not yet"));
    let config = ketch::config::Config::parse(&text, "ketch.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let nodes = "[10.0.0.1:11211, {address: '10.0.0.2:11211', weight: 2, name: cache-b}]";
    let bare = ketch::config::Config::parse(&format!("pools: {{main: {{nodes: {nodes}}}}}"), "bare").unwrap();
    assert_eq!(config.pools[1], bare.pools[0]);
    assert_eq!(config.routes.len(), 2);
}

#[test]
fn the_annotated_file_says_of_each_key_whether_it_is_supported() {
    let text = uncommented(|_| true);
    let told = ketch::config::Config::parse(&text, "f").unwrap_err().to_string();
    let refused: Vec<usize> = told
        .lines()
        .filter(|line| line.contains("does nothing with this key yet"))
        .map(|line| line.split(':').nth(1).unwrap().parse().unwrap())
        .collect();
    let marked = |line: &str| line.ends_with("# not yet") && !line.starts_with("#      ");
    let marked: Vec<usize> =
        EVERY_KEY.lines().enumerate().filter(|(_, line)| marked(line)).map(|(index, _)| index + 1).collect();
    assert_eq!(refused, marked, "{told}");
}

#[test]
fn the_annotated_file_has_every_key() {
    fn walk(schema: &Value, missing: &mut Vec<String>) {
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            if !Regex::new(&format!(r"\b{key}: ")).unwrap().is_match(EVERY_KEY)
                && !EVERY_KEY.contains(&format!("{key}:\n"))
            {
                missing.push(key.clone());
            }
            walk(schema, missing);
        }
        for inner in ["items", "additionalProperties"] {
            schema.get(inner).into_iter().for_each(|schema| walk(schema, missing));
        }
        schema["anyOf"].as_array().into_iter().flatten().for_each(|schema| walk(schema, missing));
    }
    let mut missing = Vec::new();
    walk(&schema(), &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

fn schema() -> Value {
    serde_json::from_str(stdout(&ketch(&["schema"]))).unwrap()
}

/// The part of JSON Schema that ketch's schema uses; anything else in it fails.
fn accepts(schema: &Value, value: &Value) -> bool {
    schema.as_object().into_iter().flatten().all(|(word, rule)| match word.as_str() {
        "$schema" | "title" | "description" | "default" | "examples" => true,
        "type" => rule.as_array().map_or_else(|| is_a(rule, value), |any| any.iter().any(|one| is_a(one, value))),
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "anyOf" => rule.as_array().unwrap().iter().any(|schema| accepts(schema, value)),
        "pattern" => value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap()),
        "minProperties" => value.as_object().is_none_or(|map| map.len() as u64 >= rule.as_u64().unwrap()),
        "maxProperties" => value.as_object().is_none_or(|map| map.len() as u64 <= rule.as_u64().unwrap()),
        "items" => value.as_array().into_iter().flatten().all(|item| accepts(rule, item)),
        "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
        "properties" => {
            let known = |(key, value): (&String, &Value)| rule.get(key).is_none_or(|schema| accepts(schema, value));
            value.as_object().into_iter().flatten().all(known)
        }
        "additionalProperties" => {
            let known = schema["properties"].as_object();
            let others = value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
            others.into_iter().all(|(_, value)| if rule.is_boolean() { rule == true } else { accepts(rule, value) })
        }
        unknown => panic!("the test does not know {unknown}"),
    })
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        unknown => panic!("the test does not know {unknown}"),
    }
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn the_schema_takes_every_example_and_every_key() {
    let schema = schema();
    for path in examples() {
        assert!(accepts(&schema, &yaml(&std::fs::read_to_string(&path).unwrap())), "{}", path.display());
    }
    assert!(accepts(&schema, &yaml(&uncommented(|_| true))));
}

#[test]
fn the_schema_refuses_what_check_refuses() {
    let schema = schema();
    for text in [
        "worker: 2",
        "workers: 0",
        "limits: {drain: 10}",
        "limits: {drain: 1.5s}",
        "limits: {value_size: 1MB}",
        "limits: {connections: 0}",
        "listeners: {memcached: [localhost]}",
        "listeners: {memcached: h:1}",
        "pools: {}",
        "pools: {p: {}}",
        "pools: {p: {nodes: []}}",
        "pools: {p: {nodes: [{address: 'h:1', weight: 0}]}}",
        "pools: {p: {nodes: [h:1], hash: md6}}",
        "pools: {p: {nodes: [h:1], request_timeout: 0s}}",
        "routes: [{prefix: a}]",
    ] {
        assert!(!accepts(&schema, &yaml(text)), "the schema takes {text}");
        assert_eq!(check(text).0, Some(1), "{text}");
    }
}
