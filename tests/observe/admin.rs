//! The admin server tells the truth, hides secrets, and cannot be held up.

use serde_json::Value;

use super::support::load::metric;
use super::support::{Client, Ketch, Memcached, http, pool, wait_for};

fn json(ketch: &Ketch, path: &str) -> Value {
    let (status, body) = ketch.look(path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

#[test]
fn health_says_what_is_served_and_what_is_not() {
    let mut node = Memcached::start();
    let settings = "health: { probe_interval: 50ms, eject_after: 2, max_ejected: 100% }";
    let ketch = Ketch::start(&pool(&[node.address()], settings));
    assert_eq!(ketch.look("/healthz"), (200, "ok\n".into()));
    assert_eq!(ketch.look("/readyz?strict"), (200, "serving\n".into()));
    node.process.kill();
    let said = wait_for("the node to be out", || Some(ketch.look("/readyz").1).filter(|said| said.contains("out")));
    assert_eq!(said, format!("serving\npool main: 1 of 1 node is out: {}\n", node.address()));
    assert_eq!(ketch.look("/readyz").0, 200, "a cache that is gone must not take the application with it");
    assert_eq!(ketch.look("/readyz?strict").0, 503);

    // By the default, no single node is out: it is held, and that is explained.
    let ketch = Ketch::start(&pool(&[node.address()], "health: { probe_interval: 50ms, eject_after: 2 }"));
    let said = wait_for("the node to be held", || Some(ketch.look("/readyz").1).filter(|said| said.contains("keys")));
    let why = "1 of 1 node fails and keeps its keys, as no more may be out (health.max_ejected)";
    assert_eq!(said, format!("serving\npool main: {why}: {}\n", node.address()));
}

#[test]
fn the_topology_has_shares_states_and_history() {
    let mut nodes = [Memcached::start(), Memcached::start()];
    let settings = "health: { probe_interval: 50ms, eject_after: 2 }";
    let ketch = Ketch::start(&pool(&nodes.each_ref().map(Memcached::address), settings));
    let pool = &json(&ketch, "/topology")["pools"][0];
    assert_eq!(pool["distribution"], "ketama");
    let shares: f64 = pool["nodes"].as_array().unwrap().iter().map(|node| node["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    assert_eq!(pool["slices"].as_array().unwrap().len(), 360);

    nodes[0].process.kill();
    let node = wait_for("the node to be ejected", || {
        Some(json(&ketch, "/topology")["pools"][0]["nodes"][0].clone()).filter(|node| node["state"] == "ejected")
    });
    assert_eq!((&node["asked"], &node["reason"]), (&Value::Bool(false), &"unreachable".into()));
    assert_eq!(node["history"].as_array().unwrap().last().unwrap()["state"], "ejected");
}

#[test]
fn explain_says_who_owns_a_key_of_any_bytes_and_who_is_asked() {
    let ketch = Ketch::embedded();
    let explained = json(&ketch, "/explain?key=user%3A42");
    assert_eq!(explained["key"], "user:42");
    assert_eq!(explained["asked"]["node"], explained["placed"]["owner"]["label"]);
    assert_eq!(ketch.look("/explain?key=%00%ff").0, 200);
    for bad in ["/explain", "/explain?key=", "/explain?key=%zz", &format!("/explain?key={}", "k".repeat(251))] {
        assert_eq!(ketch.look(bad).0, 400, "{bad}");
    }
}

#[test]
fn the_configuration_is_shown_and_its_hash_is_the_one_of_the_metrics() {
    let ketch = Ketch::embedded();
    let shown = json(&ketch, "/config");
    assert_eq!(shown["pools"]["main"]["nodes"][1]["name"], "b");
    assert_eq!(shown["limits"]["value_size"], "1MiB");
    let hash = json(&ketch, "/topology")["config_hash"].as_str().unwrap().to_owned();
    assert_eq!(metric(&ketch, "ketch_config_hash ") as u64, u64::from_str_radix(&hash[..12], 16).unwrap());
}

#[test]
fn a_reload_is_rehearsed_done_or_refused_with_the_reason() {
    let ketch = Ketch::embedded();
    let with = |nodes: &str| {
        format!("pools: {{ main: {{ protocol: embedded, nodes: {nodes} }} }}\nroutes: [{{ pool: main }}]")
    };
    let post = |path: &str| http(ketch.admin, "POST", path, "");
    assert_eq!(ketch.look("/reload").0, 405);
    ketch.configure(&with("[a, b, c, d]"));
    let (status, told) = post("/reload?dry_run");
    assert_eq!(status, 200, "{told}");
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["dry_run"], true);
    assert_eq!(post("/reload").0, 200);
    assert_eq!(json(&ketch, "/topology")["pools"][0]["nodes"].as_array().unwrap().len(), 4);

    ketch.configure(&with("[a, a]"));
    let (status, told) = post("/reload");
    assert_eq!(status, 409, "{told}");
    assert!(told.contains("ketch.yaml:1:"), "{told}");
    let topology = json(&ketch, "/topology");
    assert_eq!(topology["pools"][0]["nodes"].as_array().unwrap().len(), 4);
    assert!(topology["reloads"].as_array().unwrap().last().unwrap()["error"].is_string());
}

#[test]
fn a_hot_key_is_told() {
    let ketch = Ketch::embedded();
    let mut client = ketch.connect();
    for number in 0..2000 {
        client.expect(format!("get hot\r\nget cold{number}\r\n"), "END\r\nEND\r\n");
    }
    let hot = json(&ketch, "/hotkeys");
    assert_eq!(hot["main"][0]["key"], "hot", "{hot}");
    let count = hot["main"][0]["requests"].as_u64().unwrap();
    assert!((500..8000).contains(&count), "about 2000 requests are {count}");
}

#[test]
fn the_log_gets_another_level_by_post_and_not_from_a_foreign_page() {
    let ketch = Ketch::embedded();
    assert_eq!(ketch.look("/debug/log"), (200, "info\n".into()));
    assert_eq!(ketch.look("/debug/log?level=debug").0, 405);
    let foreign = http(ketch.admin, "POST", "/debug/log?level=debug", "origin: http://evil.example\r\n");
    assert_eq!(foreign.0, 403);
    assert_eq!(http(ketch.admin, "POST", "/debug/log?level=loud", "").0, 400);
    assert_eq!(http(ketch.admin, "POST", "/debug/log?level=debug", ""), (200, "debug\n".into()));
    assert_eq!(ketch.look("/debug/log"), (200, "debug\n".into()));
}

#[test]
fn whoever_sends_half_a_request_is_dismissed_and_holds_nobody_up() {
    let ketch = Ketch::embedded();
    let mut slow = Client::connect(ketch.admin);
    slow.say("GET /healthz HTTP/1.1\r\nhost: x\r\n");
    assert_eq!(ketch.look("/healthz").0, 200);
    slow.rest(); // the read ends only when ketch closes: the time limit of the head
    let mut huge = Client::connect(ketch.admin);
    huge.say(format!("GET /{} HTTP/1.1\r\n", "x".repeat(60_000)));
    assert!(String::from_utf8_lossy(&huge.rest()).starts_with("HTTP/1.1 4"));
}

#[test]
fn an_address_beyond_loopback_is_warned_of() {
    let text = "pools: { main: { protocol: embedded, nodes: [a] } }\nroutes: [{ pool: main }]\nadmin: \"0.0.0.0:0\"";
    let ketch = Ketch::start(text);
    wait_for("the warning", || ketch.log().contains("listens beyond this machine").then_some(()));
    assert!(!Ketch::embedded().log().contains("listens beyond this machine"));
}

#[test]
fn those_who_watch_are_so_many_and_no_more() {
    let ketch = Ketch::embedded();
    let watch = || {
        let mut watcher = Client::connect(ketch.admin);
        watcher.say("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let said = watcher.line();
        (watcher, said)
    };
    let watchers: Vec<_> = (0..32).map(|_| watch()).collect();
    assert!(watchers.iter().all(|(_, said)| said.contains(" 200 ")));
    assert!(watch().1.contains(" 503 "));
    assert_eq!(ketch.look("/healthz").0, 200);
    drop(watchers);
    wait_for("a seat", || watch().1.contains(" 200 ").then_some(()));
}

/// A web page whose name was made to lead here reads nothing; Prometheus and probes may come by any name.
#[test]
fn what_is_told_by_address_is_not_told_by_name() {
    let ketch = Ketch::embedded();
    let look = |host: &str, path: &str| {
        let mut client = Client::connect(ketch.admin);
        client.say(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        let line = client.line();
        line.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    for path in ["/", "/config", "/topology", "/hotkeys", "/explain?key=a", "/debug/log", "/events", "/none"] {
        assert_eq!(look("rebound.example:11290", path), 403, "{path}");
        for host in [&ketch.admin.to_string(), "localhost", "[::1]:11290"] {
            assert_ne!(look(host, path), 403, "{path} of {host}");
        }
    }
    for path in ["/metrics", "/healthz", "/readyz", "/readyz?strict"] {
        assert_eq!(look("ketch.monitoring.svc:11290", path), 200, "{path}");
    }
}

#[test]
fn connections_are_so_many_and_no_more() {
    let ketch = Ketch::embedded();
    let mut idle: Vec<_> = (0..256).map(|_| Client::connect(ketch.admin)).collect();
    let begin = std::time::Instant::now();
    let mut refused = Client::connect(ketch.admin);
    assert!(String::from_utf8_lossy(&refused.rest()).starts_with("HTTP/1.1 503 "));
    if begin.elapsed() < std::time::Duration::from_secs(5) {
        idle.truncate(255); // one that leaves makes a place
        wait_for("a place", || {
            let mut client = Client::connect(ketch.admin);
            client.say("GET /healthz HTTP/1.0\r\n\r\n");
            let mut heard = [0; 13];
            std::io::Read::read(&mut client.stream, &mut heard).is_ok_and(|_| &heard == b"HTTP/1.0 200 ").then_some(())
        });
    }
}
