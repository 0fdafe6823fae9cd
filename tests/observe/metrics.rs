//! `/metrics` has the promised names and labels, Prometheus' own linter has nothing to say, and the figures add up.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use super::support::{Ketch, Memcached, pool, program, wait_for};

/// Every metric that the design promises, with its labels.
const PROMISED: &[(&str, &[&str])] = &[
    ("ketch_requests_total", &["command", "listener", "pool", "result"]),
    ("ketch_request_duration_seconds", &["command", "pool"]),
    ("ketch_node_requests_total", &["node", "pool", "result"]),
    ("ketch_node_request_duration_seconds", &["node", "pool"]),
    ("ketch_node_up", &["node", "pool"]),
    ("ketch_node_ejections_total", &["node", "pool", "reason"]),
    ("ketch_node_connections", &["node", "pool"]),
    ("ketch_node_inflight", &["node", "pool"]),
    ("ketch_coalesced_requests_total", &["pool"]),
    ("ketch_handover_total", &["pool", "step"]),
    ("ketch_client_connections", &["listener"]),
    ("ketch_client_bytes_total", &["direction", "listener"]),
    ("ketch_buffered_bytes", &[]),
    ("ketch_waiting_bodies", &[]),
    ("ketch_rejected_requests_total", &["reason"]),
    ("ketch_config_reloads_total", &["result"]),
    ("ketch_config_last_reload_success_timestamp_seconds", &[]),
    ("ketch_config_hash", &[]),
    ("ketch_ring_share", &["node", "pool"]),
    ("ketch_embedded_items", &["node", "pool"]),
    ("ketch_embedded_bytes", &["node", "pool"]),
    ("ketch_embedded_evictions_total", &["node", "pool"]),
    ("ketch_build_info", &["version"]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_open_fds", &[]),
    ("process_start_time_seconds", &[]),
];

/// The samples of a text: name and labels as they stand, and the value.
pub fn samples(ketch: &Ketch) -> BTreeMap<String, f64> {
    let (status, text) = ketch.look("/metrics");
    assert_eq!(status, 200);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    samples.map(sample).collect()
}

/// The sum of the samples of `name` whose labels contain all of `labels`.
pub fn sum(samples: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    let of = |sample: &str| sample.split('{').next() == Some(name) && labels.iter().all(|label| sample.contains(label));
    samples.iter().filter(|(sample, _)| of(sample)).map(|(_, value)| value).sum()
}

fn ketch_with_both_kinds(memcached: &Memcached) -> Ketch {
    let text =
        pool(&[memcached.address()], "").replace("pools: {", "pools: { own: { protocol: embedded, nodes: [a] },");
    Ketch::start(&text.replace("[{ pool: main }]", "[{ prefix: \"own:\", pool: own }, { pool: main }]"))
}

#[test]
fn every_promised_metric_is_there_with_its_labels_and_the_linter_is_silent() {
    let memcached = Memcached::start();
    let ketch = ketch_with_both_kinds(&memcached);
    let mut client = ketch.connect();
    client.expect(
        "set a 0 0 1\r\nx\r\nset own:a 0 0 1\r\nx\r\nget a own:a b\r\n",
        "STORED\r\nSTORED\r\nVALUE a 0 1\r\nx\r\n",
    );

    let (_, text) = ketch.look("/metrics");
    let mut labels = BTreeMap::<&str, BTreeSet<&str>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).unwrap();
        let found = labels.entry(name).or_default();
        found.extend(rest.split(',').filter_map(|label| label.split_once("=\"")).map(|(label, _)| label));
    }
    for (name, promised) in PROMISED {
        let series = if name.ends_with("duration_seconds") { format!("{name}_count") } else { (*name).to_owned() };
        let found = labels.get(series.as_str()).unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
        assert_eq!(found.iter().copied().collect::<Vec<_>>(), *promised, "{name}");
    }

    let mut promtool = Command::new(program("promtool", "prometheus"));
    let mut promtool =
        promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn what_is_counted_is_what_was_done() {
    let memcached = Memcached::start();
    let ketch = ketch_with_both_kinds(&memcached);
    let mut client = ketch.connect();
    for _ in 0..10 {
        client.expect("set a 0 0 1\r\nx\r\nget a b c\r\n", "STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
    }
    client.expect("nonsense\r\n", "ERROR\r\n");
    let listener = format!("listener=\"{}\"", ketch.memcached);
    let counted = samples(&ketch);
    let requests =
        |labels: &[&str]| sum(&counted, "ketch_requests_total", &[labels, &[&listener, "pool=\"main\""]].concat());
    assert_eq!(requests(&["command=\"set\"", "result=\"stored\""]), 10.0);
    assert_eq!(requests(&["command=\"get\"", "result=\"hit\""]), 10.0);
    assert_eq!(requests(&["command=\"get\"", "result=\"miss\""]), 20.0);
    assert_eq!(sum(&counted, "ketch_node_requests_total", &["result=\"ok\""]), 20.0);
    assert_eq!(sum(&counted, "ketch_request_duration_seconds_count", &["command=\"get\""]), 10.0);
    assert_eq!(sum(&counted, "ketch_node_request_duration_seconds_count", &["pool=\"main\""]), 20.0);
    let seconds = sum(&counted, "ketch_request_duration_seconds_sum", &["command=\"get\""]);
    assert!(seconds > 0.000_01 && seconds < 10.0, "{seconds} s for ten reads");
    assert_eq!(sum(&counted, "ketch_client_connections", &[&listener]), 1.0);
    assert!(sum(&counted, "ketch_client_bytes_total", &[&listener, "direction=\"in\""]) > 250.0);
    assert_eq!(sum(&counted, "ketch_rejected_requests_total", &["reason=\"protocol\""]), 1.0);
    assert_eq!(sum(&counted, "ketch_node_inflight", &[]), 0.0);
    let share = sum(&counted, "ketch_ring_share", &["pool=\"main\""]);
    assert!((share - 1.0).abs() < 1e-9, "{share}");
    drop(client);
    wait_for("the client to be gone from the metrics", || {
        (sum(&samples(&ketch), "ketch_client_connections", &[]) == 0.0).then_some(())
    });
}

#[test]
fn a_node_that_dies_is_told_with_the_reason() {
    let nodes = [Memcached::start(), Memcached::start()];
    let settings = "health: { probe_interval: 50ms, probe_timeout: 10s, eject_after: 2 }";
    let ketch = Ketch::start(&pool(&nodes.each_ref().map(Memcached::address), settings));
    let [mut doomed, _lives] = nodes;
    let node = format!("node=\"{}\"", doomed.address());
    assert_eq!(sum(&samples(&ketch), "ketch_node_up", &[&node]), 1.0);
    doomed.process.kill();
    wait_for("the node to be out", || (sum(&samples(&ketch), "ketch_node_up", &[&node]) == 0.0).then_some(()));
    let told = samples(&ketch);
    assert_eq!(sum(&told, "ketch_node_ejections_total", &[&node]), 1.0);
    assert_eq!(sum(&told, "ketch_node_ejections_total", &[&node, "reason=\"unreachable\""]), 1.0);
    assert_eq!(sum(&told, "ketch_node_up", &[]), 1.0);
    wait_for("its connections to be gone", || {
        (sum(&samples(&ketch), "ketch_node_connections", &[&node]) == 0.0).then_some(())
    });
}
