//! What a client hears when nodes are down, slow or full.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Served;
use crate::browser::Browser;
use crate::support::fake::Fake;
use crate::support::{Memcached, PATIENCE, free_port, pool};

/// A ketch over one node, which is not probed, so that only requests find out.
fn over(node: &str, settings: &str) -> Served {
    let health = "health: { eject_after: 1000000, probe_interval: 1h }, request_timeout: 300ms, connect_timeout: 300ms";
    let pool = pool(&[node.to_owned()], &format!("{health}, {settings}"));
    Served::configured(&format!("workers: 1\n{pool}")) // all clients share one connection to the node
}

fn told(browser: &mut Browser, method: &str, path: &str) -> (u16, Option<String>, serde_json::Value) {
    let answer = browser.ask(method, path, &[], b"");
    let body = answer.json();
    (answer.status, answer.header("retry-after").map(str::to_owned), body["reason"].clone())
}

#[test]
fn a_node_that_is_down_is_503_and_a_miss_where_the_pool_says_so() {
    let address = format!("127.0.0.1:{}", free_port());
    let served = over(&address, "reads_on_error: error");
    let mut browser = served.browser();
    for method in ["GET", "PUT", "DELETE"] {
        let (status, retry, reason) = told(&mut browser, method, "/v1/keys/k");
        assert_eq!((status, retry.as_deref(), reason), (503, Some("1"), json!("unreachable")), "{method}");
    }
    let ask = |browser: &mut Browser, headers: &[&str]| {
        let headers = [&["Content-Type: application/json"], headers].concat();
        browser.ask("POST", "/v1/batch/get", &headers, br#"{"keys": ["a", "b"]}"#)
    };
    assert_eq!(ask(&mut browser, &[]).status, 503);
    let lines = ask(&mut browser, &["Accept: application/x-ndjson"]);
    assert_eq!(lines.status, 200);
    let told_of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["error"]["reason"].clone();
    assert_eq!(lines.text().lines().map(told_of).collect::<Vec<_>>(), [json!("unreachable"), json!("unreachable")]);

    let lenient = over(&address, "reads_on_error: miss");
    let mut browser = lenient.browser();
    assert_eq!(browser.get("/v1/keys/k").status, 404);
    assert_eq!(browser.put("/v1/keys/k", "v").status, 503);
    assert_eq!(ask(&mut browser, &[]).json(), json!({ "items": [null, null] }));
}

#[test]
fn a_node_that_is_silent_is_504_at_the_deadline() {
    let node = Fake::start(|talk| while talk.hear().is_some() {});
    let served = over(&node.address(), "reads_on_error: error");
    let mut browser = served.browser();
    let begin = Instant::now();
    assert_eq!(told(&mut browser, "GET", "/v1/keys/k"), (504, None, json!("timeout")));
    assert_eq!(told(&mut browser, "PUT", "/v1/keys/k"), (504, None, json!("timeout")));
    assert!(begin.elapsed() >= Duration::from_millis(600) && begin.elapsed() < PATIENCE);
}

#[test]
fn a_full_queue_is_429() {
    let node = Fake::start(|talk| while talk.hear().is_some() {});
    let served = over(&node.address(), "reads_on_error: error, max_inflight: 1");
    let (mut first, mut second) = (served.browser(), served.browser());
    first.0.say("GET /v1/keys/a HTTP/1.1\r\nHost: ketch\r\n\r\n");
    crate::support::wait_for("the first to be asked", || (node.heard("mg") == 1).then_some(()));
    let (status, retry, reason) = told(&mut second, "GET", "/v1/keys/b");
    assert_eq!((status, retry.as_deref(), reason), (429, Some("1"), json!("overloaded")));
    assert_eq!(first.hear("GET").status, 504);
}

#[test]
fn a_value_that_the_node_finds_too_large_is_413() {
    let node = Memcached::start();
    let limits = "limits: { value_size: 4MiB, client_buffer: 8MiB }\n";
    let served = Served::configured(&format!("{}{limits}", pool(&[node.address()], "")));
    let mut browser = served.browser();
    let answer = browser.put("/v1/keys/k", vec![b'v'; 2_000_000]);
    assert_eq!((answer.status, &answer.json()["detail"]), (413, &json!("SERVER_ERROR object too large for cache")));
    assert_eq!(browser.put("/v1/keys/k", "v").status, 204);
}

/// The node answers one key after the other, so that each is written as it comes.
#[test]
fn a_batch_that_finds_no_room_is_503_and_holds_no_more_than_there_is() {
    const VALUE: usize = 1_000_000;
    let node = Fake::start(|talk| {
        while let Some(said) = talk.hear() {
            let value = [format!("VA {VALUE} c1 f0 t-1\r\n").as_bytes(), &[b'v'; VALUE], b"\r\n"].concat();
            talk.say(if said.line.starts_with("mg") { value } else { b"VERSION 1.6.18\r\n".to_vec() });
        }
    });
    let pool = pool(&[node.address()], "request_timeout: 20s, health: { probe_interval: 1h }");
    let served = Served::configured(&format!("workers: 1\n{pool}limits: {{ memory: 32MiB, client_buffer: 1MiB }}\n"));
    let mut browser = served.browser();
    let keys: Vec<_> = (0..200).map(|number| format!("k{number}")).collect();
    let mut ask = |accept: &str, keys: &[String]| {
        let body = json!({ "keys": keys }).to_string();
        browser.ask("POST", "/v1/batch/get", &["Content-Type: application/json", accept], body.as_bytes())
    };
    let answer = ask("Accept: */*", &keys);
    assert_eq!((answer.status, &answer.json()["reason"]), (503, &json!("memory")));
    assert_eq!(ask("Accept: */*", &keys[..3]).json()["items"].as_array().unwrap().len(), 3);
    let lines = ask("Accept: application/x-ndjson", &keys[..50]);
    assert_eq!(lines.body.len() / VALUE, 50 * 4 / 3, "a stream has room for any number");
}

#[test]
fn a_batch_may_have_more_keys_than_may_wait_for_a_node() {
    let node = Memcached::start();
    let served = over(&node.address(), "reads_on_error: error, max_inflight: 2000");
    let body = json!({ "keys": (0..10_000).map(|number| format!("k{number}")).collect::<Vec<_>>() }).to_string();
    let mut browser = served.browser();
    let answer = browser.ask("POST", "/v1/batch/get", &["Content-Type: application/json"], body.as_bytes());
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 10_000);
}
