//! `ketch plan` against brute force: a million keys, asked one by one where they go before and after.

use std::collections::BTreeMap;
use std::process::Command;

use ketch::config::Config;
use ketch::topology::ring_of;
use serde_json::Value;

/// A tenth of a percent point.
const TOLERANCE: f64 = 0.001;
const KEYS: u32 = 1_000_000;

#[test]
fn ketama_grown_by_a_node() {
    agree(true, "{nodes: [a:1, b:1, c:1, d:1]}", "{nodes: [a:1, b:1, c:1, d:1, e:1]}");
}

#[test]
fn ketama_reweighted_and_with_other_servers() {
    agree(true, "{nodes: [a:1, b:1:2, c:1 third], hash: xxh3}", "{nodes: [b:1:3, 'c:1:1 third', d:1], hash: xxh3}");
}

#[test]
fn ketama_as_twemproxy_has_it() {
    let pool = |nodes: &str| format!("{{nodes: [{nodes}], compatibility: twemproxy, hash: murmur}}");
    agree(true, &pool("'a:1:1 x', 'b:1:4 y', 'c:1:2 z'"), &pool("'a:1:1 x', 'c:1:2 z'"));
}

#[test]
fn another_hash_is_counted() {
    agree(false, "{nodes: [a:1, b:1, c:1], hash: crc32a}", "{nodes: [a:1, b:1, c:1], hash: xxh3}");
}

#[test]
fn modula_in_another_order() {
    agree(
        false,
        "{nodes: [a:1, b:1, c:1], distribution: modula, hash: crc32a}",
        "{nodes: [b:1, c:1, a:1], distribution: modula, hash: crc32a}",
    );
}

#[test]
fn jump_and_rendezvous_shrunk() {
    for distribution in ["jump", "rendezvous"] {
        let pool = |nodes: &str| format!("{{nodes: [{nodes}], distribution: {distribution}, hash: xxh3}}");
        agree(false, &pool("a:1, b:1, c:1:2, d:1"), &pool("a:1, b:1, c:1:2"));
    }
}

#[test]
fn a_plan_is_read_by_people_and_by_programs() {
    let (text, status) = plan(&[], MODULA.0, MODULA.1);
    assert_eq!(status, Some(0));
    assert_eq!(
        text,
        "\
pool main: 100.00 % of the keys move, of 1000000 keys
  stays b:1, 49.97 % -> 50.03 % of the keys, gets 50.03 %, gives 49.97 %
  stays a:1, 50.03 % -> 49.97 % of the keys, gets 49.97 %, gives 50.03 %
warning: pool main: 100.0 % of the keys move where 0.1 % must: the nodes are the same in another order, and modula \
         goes by the order; keep it
"
    );
    assert_eq!(plan(&[], MODULA.0, MODULA.0).0, "nothing changes\n");
    let (text, _) = plan(&["--json"], MODULA.0, MODULA.1);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["pools"][0]["moves"], 1.0);
    assert_eq!(json["pools"][0]["sampled"], 1_000_000);
    assert_eq!(json["pools"][0]["nodes"][0]["change"], "stays");
    let (_, status) = plan(&[], MODULA.0, "{nodes: []}");
    assert_eq!(status, Some(1));
}

const MODULA: (&str, &str) = ("{nodes: [a:1, b:1], distribution: modula}", "{nodes: [b:1, a:1], distribution: modula}");

/// What `plan` says of each server and of all is what a million keys do.
fn agree(exact: bool, old: &str, new: &str) {
    let (text, _) = plan(&["--json"], old, new);
    let told: Value = serde_json::from_str(&text).unwrap();
    let pool = &told["pools"][0];
    assert_eq!(pool["sampled"].is_null(), exact, "{text}");
    let (moves, flows) = brute_force(old, new);
    let close = |told: &Value, counted: f64, what: &str| {
        let told = told.as_f64().unwrap();
        assert!((told - counted).abs() < TOLERANCE, "{what}: plan says {told}, {KEYS} keys say {counted}\n{text}");
    };
    close(&pool["moves"], moves, "moves");
    for node in pool["nodes"].as_array().unwrap() {
        let address = node["address"].as_str().unwrap();
        let (gains, loses) = flows.get(address).copied().unwrap_or_default();
        close(&node["gains"], gains, address);
        close(&node["loses"], loses, address);
    }
}

/// The share of the keys that move, and for each address what it gets and what it gives.
fn brute_force(old: &str, new: &str) -> (f64, BTreeMap<String, (f64, f64)>) {
    let pools = [old, new].map(|pool| Config::parse(&config(pool), "f").unwrap().pools.remove(0));
    let rings = [0, 1].map(|at: usize| ring_of(&pools[at]).unwrap());
    let mut flows = BTreeMap::<String, (f64, f64)>::new();
    let mut moves = 0.0;
    for number in 0..KEYS {
        let key = format!("user:{number}:profile");
        let [before, after] = [0, 1].map(|at: usize| {
            let owner = rings[at].owner(rings[at].hash(key.as_bytes()));
            pools[at].nodes[owner].endpoint.as_ref().unwrap().to_string()
        });
        if before != after {
            let one = 1.0 / f64::from(KEYS);
            moves += one;
            flows.entry(before).or_default().1 += one;
            flows.entry(after).or_default().0 += one;
        }
    }
    (moves, flows)
}

fn config(pool: &str) -> String {
    format!("pools: {{main: {pool}}}\n")
}

/// What `ketch plan` prints, and its exit code.
fn plan(flags: &[&str], old: &str, new: &str) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let files = [("old.yaml", old), ("new.yaml", new)].map(|(name, pool)| {
        let path = folder.path().join(name);
        std::fs::write(&path, config(pool)).unwrap();
        path
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_ketch"));
    command.arg("plan").args(flags).args(files);
    let output = command.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}
