//! Every kind of mistake, and the line that it gets.

use super::program::check;

#[track_caller]
fn refused(text: &str, lines: &[&str]) {
    let (code, told) = check(text);
    assert_eq!((code, told.lines().collect::<Vec<_>>()), (Some(1), lines.to_vec()), "{text}");
}

/// A pool `p` with one server and these keys.
fn pool(keys: &str) -> String {
    format!("pools:\n  p:\n    nodes: [h:1]\n    {keys}\n")
}

#[test]
fn keys_that_are_unknown_or_repeated() {
    refused("worker: 2", &["f:1:1: worker: is not a key; did you mean workers?"]);
    refused("colour: red", &["f:1:1: colour: is not a key; here are admin, limits, listeners, pools, routes, workers"]);
    refused(
        &pool("health_check: 1"),
        &["f:4:5: pools.p.health_check: is not a key; here are coalesce, compatibility, connect_timeout, \
             connections, \
         database, distribution, flush, handover, hash, hash_tag, health, max_inflight, memory, nodes, on_ejected, \
         password, protocol, readmit, reads, reads_on_error, request_timeout, strip_prefix_for_hash, user"],
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
        &["f:1:22: limits.value_size: \"1MB\" is not a size; write bytes, or a whole number with KiB, MiB or GiB, \
             as in \
         64MiB"],
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
        &["f:4:15: pools.p.hash_tag: \"{\" is not a hash tag; write the opening and the closing character, as in \
             \"{}\""],
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
        "listeners: {memcached: [], http: []}",
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
        &["f:5:32: pools.p.nodes[1].weight: \"0\" is not a whole number from 1 to 1000000"],
    );
    refused(
        "pools: {p: {nodes: ['h:1:x']}}",
        &["f:1:21: pools.p.nodes[0]: the weight \"x\" is not a whole number from 1 to 1000000"],
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
        &["f:1:41: pools.p.nodes[0]: \"10.0.0.1:11211\" looks like an address, and an embedded node has none; \
             write a \
         name, or protocol: memcached"],
    );
    refused(
        "pools: {p: {protocol: embedded, nodes: [a], memory: 1MiB}}",
        &["f:1:53: pools.p.memory: 1MiB is less than twice limits.value_size; write at least 2MiB"],
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
        &["f:1:45: pools.p.connections: belongs to memcached, redis, redis-cluster, and this pool is embedded; \
             take it out"],
    );
    refused(
        "pools: {p: {protocol: redis-cluster, nodes: ['h:1'], handover: 1m}}",
        &[
            "f:1:54: pools.p.handover: belongs to embedded, memcached, redis, and this pool is redis-cluster; take it out",
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
            "f:3:25: pools.p.hash: \"x\" is none of md5, fnv1_64, fnv1a_64, fnv1_32, fnv1a_32, crc16, crc32, crc32a, \
             hsieh, \
         murmur, jenkins, one_at_a_time, xxh3",
            "f:4:17: routes[0].pool: there is no pool \"q\"; write one of p",
        ],
    );
}
