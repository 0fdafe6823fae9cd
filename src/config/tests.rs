//! The promises of the room, over whole texts. What people read when a file is wrong stands in `tests/config/`.

use std::time::Duration;

use super::*;
use crate::model::{Compatibility, Distribution, Endpoint, HashKind};

fn parse(text: &str) -> Config {
    Config::parse(text, "t").unwrap_or_else(|error| panic!("{error}"))
}

fn errors(text: &str) -> Vec<String> {
    let error = Config::parse(text, "t").expect_err("the text is wrong").to_string();
    error.lines().map(str::to_owned).collect()
}

/// The fields that are told of.
fn fields(text: &str) -> Vec<String> {
    errors(text).iter().map(|line| line.split(": ").nth(1).unwrap().to_owned()).collect()
}

fn pool(keys: &str) -> PoolConfig {
    parse(&format!("pools: {{p: {{nodes: ['h:1'], {keys}}}}}")).pools.remove(0)
}

#[test]
fn what_is_left_out_is_built_in() {
    assert_eq!(parse("workers: auto"), Config::built_in());
}

#[test]
fn the_built_in_configuration_is_what_the_design_says() {
    let config = Config::built_in();
    assert!(config.workers >= 1);
    assert_eq!(config.listeners.memcached, ["127.0.0.1:11211".parse::<Endpoint>().unwrap()]);
    let labels: Vec<_> = config.pools[0].nodes.iter().map(|node| node.name.as_deref()).collect();
    assert_eq!(labels, [Some("a"), Some("b"), Some("c")]);
    assert_eq!(config.pools[0].memory, 64 << 20);
    assert_eq!(config.limits.client_idle, None);
    assert_eq!(config.routes, [Route { prefix: vec![], pool: 0, content_type: None }]);
}

#[test]
fn every_key_reaches_its_field() {
    let config = parse(
        "
workers: 3
listeners: {memcached: ['[::1]:1', 'unix:/m.sock'], http: []}
limits: {connections: 5, value_size: 2MiB, client_buffer: 4MiB, memory: 1GiB, client_idle: 10m, drain: 0s}
pools:
  a: {protocol: embedded, nodes: [x, {name: y, weight: 2}, 3], memory: 8MiB}
  b:
    nodes: ['h:1:4 n', {address: 'unix:/s', weight: 9}]
    distribution: jump
    hash: xxh3
    hash_tag: '{}'
    strip_prefix_for_hash: 'ns:'
    connections: 2
    connect_timeout: 1ms
    request_timeout: 2s
    max_inflight: 7
    reads_on_error: error
routes: [{prefix: 'a:', pool: a}, {pool: b}]
",
    );
    assert_eq!(config.workers, 3);
    assert_eq!(config.listeners.memcached.len(), 2);
    let Limits { connections, value_size, client_buffer, memory, client_idle, drain } = config.limits;
    assert_eq!((connections, value_size, client_buffer, memory), (5, 2 << 20, 4 << 20, 1 << 30));
    assert_eq!((client_idle, drain), (Some(Duration::from_secs(600)), Duration::ZERO));
    let [a, b] = config.pools.as_slice() else { panic!("two pools") };
    assert_eq!((a.protocol, a.memory), (Protocol::Embedded, 8 << 20));
    assert_eq!(a.nodes[1], NodeConfig { name: Some("y".into()), endpoint: None, weight: 2 });
    assert_eq!(a.nodes[2].name.as_deref(), Some("3"));
    let endpoint = |text: &str| Some(text.parse().unwrap());
    assert_eq!(b.nodes[0], NodeConfig { name: Some("n".into()), endpoint: endpoint("h:1"), weight: 4 });
    assert_eq!(b.nodes[1], NodeConfig { name: None, endpoint: endpoint("unix:/s"), weight: 9 });
    assert_eq!((b.placement.distribution, b.placement.hash), (Distribution::Jump, HashKind::Xxh3));
    assert_eq!((b.placement.hash_tag, &b.placement.strip_prefix[..]), (Some((b'{', b'}')), &b"ns:"[..]));
    assert_eq!((b.connections, b.max_inflight, b.reads_on_error), (2, 7, ReadsOnError::Error));
    assert_eq!((b.connect_timeout, b.request_timeout), (Duration::from_millis(1), Duration::from_secs(2)));
    let routes = [
        Route { prefix: b"a:".to_vec(), pool: 0, content_type: None },
        Route { prefix: vec![], pool: 1, content_type: None },
    ];
    assert_eq!(config.routes, routes);
}

#[test]
fn compatibility_brings_that_program_s_defaults() {
    for (name, compatibility, distribution, hash) in [
        ("none", Compatibility::None, Distribution::Ketama, HashKind::Md5),
        ("twemproxy", Compatibility::Twemproxy, Distribution::Ketama, HashKind::Fnv1a64),
        ("libmemcached", Compatibility::Libmemcached, Distribution::Modula, HashKind::OneAtATime),
        ("libmemcached-weighted", Compatibility::LibmemcachedWeighted, Distribution::Ketama, HashKind::Md5),
        ("spymemcached", Compatibility::Spymemcached, Distribution::Ketama, HashKind::Md5),
    ] {
        let placement = pool(&format!("compatibility: {name}")).placement;
        assert_eq!(placement.compatibility, compatibility);
        assert_eq!((placement.distribution, placement.hash), (distribution, hash), "{name}");
    }
}

#[test]
fn compatibility_leaves_what_is_given() {
    let placement = pool("compatibility: twemproxy, distribution: modula, hash: crc16").placement;
    assert_eq!((placement.distribution, placement.hash), (Distribution::Modula, HashKind::Crc16));
}

#[test]
fn one_pool_needs_no_route() {
    let config = parse("pools: {only: {protocol: embedded, nodes: [a]}}");
    assert_eq!(config.routes, [Route { prefix: vec![], pool: 0, content_type: None }]);
}

#[test]
fn an_alias_stands_for_what_it_names() {
    let config =
        parse("pools:\n  a: {nodes: &n ['h:1', 'h:2']}\n  b: {nodes: *n}\nroutes: [{pool: a}, {prefix: b, pool: b}]");
    assert_eq!(config.pools[0].nodes, config.pools[1].nodes);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = "
worker: 2
limits: {memory: 1GB, drain: 5}
pools:
  main: {nodes: ['h:1:x'], hash: md6}
  main: {nodes: [a]}
routes: [{pool: man}]
";
    let once = text.replace("  main: {nodes: [a]}\n", "");
    assert_eq!(
        fields(&once),
        ["worker", "limits.memory", "limits.drain", "pools.main.nodes[0]", "pools.main.hash", "routes[0].pool"]
    );
    // What stands twice, or has not the shape that it should, does not hide the rest.
    assert_eq!(fields(text).len(), 7);
    let shapes = text.replace("worker: 2", "workers:\nadmin: [1]").replace("drain: 5", "drain: {s: 5}");
    assert_eq!(fields(&shapes)[..4], ["workers", "admin", "limits.memory", "limits.drain"]);
    assert_eq!(fields(&shapes).len(), 8);
}

#[test]
fn what_was_not_understood_has_no_errors_of_its_own_making() {
    for (text, wrong) in [
        ("pools: {p: {protocol: embeded, nodes: [a, b], memory: 64MiB}}", &["pools.p.protocol"][..]),
        ("pools: {p: {nodes: 5}}", &["pools.p.nodes"]),
        ("pools: {p: {nodes: [[x], 'h:1', 'h:1']}}", &["pools.p.nodes[0]", "pools.p.nodes[2]"]),
        ("pools: {p: {nodes: ['h:1'], password: [x]}}", &["pools.p.password"]),
        ("pools: {p: 5}", &["pools.p"]),
        ("pools: [p]", &["pools"]),
        ("pools: {p: {nodes: ['h:1']}}\nroutes: [5, {pool: p}]", &["routes[0]"]),
        ("pools: {p: {nodes: ['h:1']}}\nroutes: {pool: p}", &["routes"]),
        ("listeners: {memcached: [~], http: 5}", &["listeners.memcached[0]", "listeners.http"]),
        ("limits: {value_size: 4MB, memory: 1MiB}", &["limits.value_size", "limits.memory"]),
        ("pools: {p: {protocol: embedded, nodes: [a], memory: 1MiB}}\nlimits: {value_size: 9}", &["limits.value_size"]),
    ] {
        assert_eq!(fields(text), wrong, "{text}");
    }
}

#[test]
fn repeated_keys_are_told_wherever_they_stand() {
    for (text, place) in [
        ("workers: 1\nworkers: 1", "t:2:1: workers: "),
        ("limits: {drain: 1s, drain: 1s}", "t:1:21: limits.drain: "),
        ("pools:\n  a: {nodes: [{address: 'h:1', weight: 1, weight: 2}]}", "t:2:43: pools.a.nodes[0].weight: "),
        ("routes:\n- pool: default\n  pool: default", "t:3:3: routes[0].pool: "),
    ] {
        assert_eq!(errors(text), [format!("{place}stands here a second time; keep one of the two")]);
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let seeds = [
        "a: &a [*a]",
        "? [a]\n: b",
        "!x y",
        "\u{0}",
        "a: b: c",
        "[",
        "- 1",
        "~",
        "{~: ~}",
        "a: 1\n--- \nb: 2",
        "<<: {}",
    ];
    for text in seeds {
        assert!(Config::parse(text, "t").is_err(), "{text}");
    }
}

#[test]
fn aliases_cannot_make_it_grow() {
    let mut text = String::from("a0: &a0 [x, x]\n");
    for level in 1..40 {
        text += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
    }
    assert!(errors(&text)[0].contains("repetition limit exceeded"));
}

#[test]
fn a_password_is_not_printed() {
    let shown = format!("{:?}", Password::Text("secret".into()));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn the_schema_is_draft_7_without_references() {
    let text = schema().to_string();
    assert!(text.contains("http://json-schema.org/draft-07/schema#"));
    assert!(!text.contains("$ref"), "{text}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// The annotated file with a few places overwritten by what means something in YAML.
    #[test]
    fn no_slip_of_the_pen_makes_the_reader_panic(
        slips in proptest::collection::vec((0_usize..9999, "[-:,{}\\[\\]&*!|>'\"%@`~? \n#a0]{0,3}"), 1..6)
    ) {
        let mut text = include_str!("../../config/ketch.yaml").replace("\n#  ", "\n  ");
        for (at, slip) in slips {
            let at = at % text.len();
            text.replace_range(at..at + 1, &slip);
        }
        let told = Config::parse(&text, "t").err().map(|error| error.to_string());
        proptest::prop_assert!(told.is_none_or(|told| told.lines().all(|line| line.starts_with("t:"))));
    }
}
