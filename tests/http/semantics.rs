//! What each method answers, and under which conditions it does what.

use serde_json::json;

use crate::Served;
use crate::over_every_pool;

over_every_pool! {
    an_item_is_stored_read_and_deleted,
    a_head_is_a_get_without_the_bytes,
    conditions_are_kept,
    conditions_that_no_node_can_judge_are_kept_too,
    counters_count,
    a_key_is_any_bytes,
    a_batch_answers_in_its_order,
    a_value_lives_as_long_as_it_was_given,
    what_is_wrong_is_told,
    ketch_describes_itself,
}

pub fn an_item_is_stored_read_and_deleted(served: &Served) {
    let mut browser = served.browser();
    let missing = browser.get("/v1/keys/k");
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(browser.put("/v1/keys/k", "one").status, 204);
    let read = browser.get("/v1/keys/k");
    assert_eq!((read.status, read.text().as_str()), (200, "one"));
    assert_eq!(read.header("content-type"), Some("application/octet-stream"));
    assert_eq!((read.header("ketch-flags"), read.header("cache-control")), (Some("0"), None));
    let typed = browser.get("/v1/keys/k?type=text/plain;%20charset=utf-8");
    assert_eq!(typed.header("content-type"), Some("text/plain; charset=utf-8"));
    let stored = browser.ask("PUT", "/v1/keys/k", &["Ketch-Flags: 4294967295"], b"");
    assert_eq!(stored.status, 204);
    let read = browser.get("/v1/keys/k");
    assert_eq!((read.body.len(), read.header("ketch-flags")), (0, Some("4294967295")));
    assert_eq!(read.etag(), stored.etag());
    assert_eq!(browser.ask("DELETE", "/v1/keys/k", &[], b"").status, 204);
    assert_eq!(browser.ask("DELETE", "/v1/keys/k", &[], b"").status, 404);
    assert_eq!(browser.get("/v1/keys/k").status, 404);
}

pub fn a_head_is_a_get_without_the_bytes(served: &Served) {
    let mut browser = served.browser();
    browser.put("/v1/keys/k?ttl=1000", vec![b'v'; 70_000]);
    let (head, get) = (browser.ask("HEAD", "/v1/keys/k", &[], b""), browser.get("/v1/keys/k"));
    assert_eq!((head.status, head.body.len(), get.body.len()), (200, 0, 70_000));
    let same = |headers: &[(String, String)]| -> Vec<_> {
        headers.iter().filter(|(name, _)| name != "date" && name != "cache-control").cloned().collect()
    };
    assert_eq!(same(&head.headers), same(&get.headers));
    assert_eq!(browser.ask("HEAD", "/v1/keys/none", &[], b"").status, 404);
}

pub fn conditions_are_kept(served: &Served) {
    let mut browser = served.browser();
    let mut status = |method: &str, header: &str| browser.ask(method, "/v1/keys/k", &[header], b"v").status;
    assert_eq!(status("PUT", "If-Match: *"), 412);
    assert_eq!(status("PUT", "If-Match: \"1\""), 412);
    assert_eq!(status("DELETE", "If-Match: *"), 412);
    assert_eq!(status("PUT", "If-None-Match: *"), 201);
    assert_eq!(status("PUT", "If-None-Match: *"), 412);
    assert_eq!(status("PUT", "If-Match: *"), 204);
    assert_eq!(status("PUT", "If-Match: \"other\""), 412);
    assert_eq!(status("PUT", "If-Match: no tag"), 400);

    let tag = browser.get("/v1/keys/k").etag();
    let (same, not) = (format!("If-Match: {tag}"), format!("If-None-Match: {tag}"));
    assert_eq!(browser.ask("GET", "/v1/keys/k", &[&not], b"").status, 304);
    assert_eq!(browser.ask("HEAD", "/v1/keys/k", &[&not], b"").status, 304);
    assert_eq!(browser.ask("GET", "/v1/keys/k", &["If-None-Match: \"0\""], b"").status, 200);
    assert_eq!(browser.ask("GET", "/v1/keys/k", &["If-Match: \"0\""], b"").status, 412);
    let stored = browser.ask("PUT", "/v1/keys/k", &[&same], b"two");
    assert_eq!(stored.status, 204);
    assert_eq!(browser.ask("PUT", "/v1/keys/k", &[&same], b"three").status, 412);
    assert_eq!(browser.ask("DELETE", "/v1/keys/k", &[&same], b"").status, 412);
    assert_eq!(browser.get("/v1/keys/k").text(), "two");
    let same = format!("If-Match: {}", stored.etag());
    assert_eq!(browser.ask("DELETE", "/v1/keys/k", &[&same], b"").status, 204);
}

pub fn conditions_that_no_node_can_judge_are_kept_too(served: &Served) {
    let mut browser = served.browser();
    let tag = browser.put("/v1/keys/k", "one").etag();
    let not = format!("If-None-Match: {tag}");
    assert_eq!(browser.ask("PUT", "/v1/keys/k", &[&not], b"two").status, 412);
    assert_eq!(browser.ask("DELETE", "/v1/keys/k", &[&not], b"").status, 412);
    let either = format!("If-Match: \"7777777\", {tag}");
    let stored = browser.ask("PUT", "/v1/keys/k", &[&either], b"two");
    assert_eq!(stored.status, 204);
    assert_eq!(browser.ask("PUT", "/v1/keys/k", &[&either], b"three").status, 412);
    assert_eq!(browser.ask("PUT", "/v1/keys/k", &[&not], b"three").status, 204);
    assert_eq!(browser.ask("PUT", "/v1/keys/new", &["If-None-Match: \"1\", W/\"2\""], b"v").status, 201);
    assert_eq!(browser.get("/v1/keys/k").text(), "three");
}

pub fn counters_count(served: &Served) {
    let mut browser = served.browser();
    assert_eq!(browser.post("/v1/keys/n/incr").status, 404);
    for tag in ["*", "\"5\"", "\"5\", \"6\""] {
        let matching = format!("If-Match: {tag}");
        assert_eq!(browser.ask("POST", "/v1/keys/n/incr?initial=5&ttl=9", &[&matching], b"").status, 412, "{tag}");
    }
    let mut count = |path: &str| {
        let answer = browser.post(path);
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.text(), answer.etag())
    };
    assert_eq!(count("/v1/keys/n/incr?initial=5").0, "5");
    assert_eq!(count("/v1/keys/n/incr?by=10&initial=1").0, "15");
    assert_eq!(count("/v1/keys/n/decr").0, "14");
    let (number, tag) = count("/v1/keys/n/decr?by=100");
    assert_eq!(number, "0");
    assert_eq!(count("/v1/keys/short/incr?ttl=1").0, "0");
    assert_eq!(browser.get("/v1/keys/n").etag(), tag);
    let matching = format!("If-Match: {tag}");
    assert_eq!(browser.ask("POST", "/v1/keys/n/incr", &[&matching], b"").text(), "1");
    assert_eq!(browser.ask("POST", "/v1/keys/n/incr", &[&matching], b"").status, 412);
    browser.put("/v1/keys/n", "18446744073709551615");
    assert_eq!(browser.post("/v1/keys/n/incr").text(), "0");
    browser.put("/v1/keys/n", "text");
    assert_eq!(browser.post("/v1/keys/n/incr").status, 409);
}

fn a_key_is_any_bytes(served: &Served) {
    let mut browser = served.browser();
    let binary = "%00%0a%20%ff".repeat(46);
    for key in ["user:42", "a%2Fb", "%20", "%0D%0AX", "%00", "%7F%80%FF", "caf%C3%A9", "%2e%2e", "incr", &binary] {
        let path = format!("/v1/keys/{key}");
        assert_eq!(browser.put(&path, key).status, 204, "{key}");
        assert_eq!(browser.get(&path).text(), key);
        assert_eq!(browser.ask("DELETE", &path, &[], b"").status, 204, "{key}");
        assert_eq!(browser.post(&format!("{path}/incr?initial=7")).text(), "7", "{key}");
        assert_eq!(browser.get(&path).text(), "7", "{key}");
    }
    assert_eq!(browser.put(&format!("/v1/keys/{}", "k".repeat(250)), "v").status, 204);
    assert_eq!(browser.put(&format!("/v1/keys/{}", "%6b".repeat(251)), "v").status, 414);
    assert_eq!(browser.get(&format!("/v1/keys/{}", "%00".repeat(187))).status, 414);
    assert_eq!(browser.get(&format!("/v1/keys/{}", "k".repeat(10_000))).status, 414);
}

pub fn a_batch_answers_in_its_order(served: &Served) {
    let mut browser = served.browser();
    for n in 0..200 {
        browser.put(&format!("/v1/keys/k{n}?ttl=1000"), format!("v{n}"));
    }
    browser.ask("PUT", "/v1/keys/%00%ff", &["Ketch-Flags: 9"], b"binary");
    let tag = browser.get("/v1/keys/%00%ff").etag();
    let mut ask = |keys: serde_json::Value, headers: &[&str]| {
        let headers = [&["Content-Type: application/json"], headers].concat();
        browser.ask("POST", "/v1/batch/get", &headers, json!({ "keys": keys }).to_string().as_bytes())
    };

    let answer = ask(json!(["none", { "base64": "AP8=" }, "k1", "k1"]), &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let items = &answer.json()["items"];
    let binary = json!({ "key": { "base64": "AP8=" }, "value": "YmluYXJ5", "flags": 9, "etag": tag, "ttl": null });
    assert_eq!((&items[0], &items[1]), (&json!(null), &binary));
    assert_eq!((&items[2]["key"], &items[2]["value"]), (&json!("k1"), &json!("djE=")));
    assert!((900..=1000).contains(&items[2]["ttl"].as_u64().unwrap()), "{items}");
    assert_eq!(items.as_array().unwrap().len(), 4);
    assert_eq!(ask(json!([]), &[]).json(), json!({ "items": [] }));

    let keys: Vec<_> = (0..300).map(|n| format!("k{n}")).collect();
    let answer = ask(json!(keys), &["Accept: application/x-ndjson"]);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<serde_json::Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 300);
    for (n, line) in lines.iter().enumerate() {
        let key = if n < 200 { json!(format!("k{n}")) } else { json!(null) };
        assert_eq!(line["key"], key, "{n}");
    }
}

pub fn a_value_lives_as_long_as_it_was_given(served: &Served) {
    let mut browser = served.browser();
    let mut age = |query: &str, header: &str| -> Option<u64> {
        let answer = browser.ask("PUT", &format!("/v1/keys/k{query}"), &[header], b"v");
        assert_eq!(answer.status, 204, "{answer:?}");
        let read = browser.get("/v1/keys/k");
        assert_eq!(read.status, 200, "{read:?}");
        read.header("cache-control").map(|age| age.strip_prefix("max-age=").unwrap().parse().unwrap())
    };
    assert!((55..=60).contains(&age("?ttl=60", "X: x").unwrap()));
    assert!((995..=1000).contains(&age("", "Cache-Control: no-transform, max-age=1000").unwrap()));
    assert!((55..=60).contains(&age("?ttl=60", "Cache-Control: max-age=1000").unwrap()));
    // Longer than memcached's 30 days, which are a date to it.
    // An absolute time to memcached, whose clock counts whole seconds of its own.
    assert!((31_535_990..=31_536_002).contains(&age("?ttl=31536000", "X: x").unwrap()));
    assert_eq!(age("?ttl=0", "X: x"), None);
    assert_eq!(age("", "X: x"), None);
    assert_eq!(browser.ask("PUT", "/v1/keys/k", &["Cache-Control: max-age=0"], b"v").status, 204);
    assert_eq!(browser.get("/v1/keys/k").status, 404);
}

pub fn what_is_wrong_is_told(served: &Served) {
    let mut browser = served.browser();
    for (method, path, headers, status) in [
        ("GET", "/v1/keys/%zz", &[][..], 400),
        ("GET", "/v1/keys/", &[], 400),
        ("GET", "/v1/keys", &[], 404),
        ("GET", "/v1/keys/a/b", &[], 404),
        ("GET", "/nothing", &[], 404),
        ("GET", "/v1/keys/a?type=x", &[], 400),
        ("GET", "/v1/keys/a?ttl=1", &[], 400),
        ("PUT", "/v1/keys/a?tll=60", &[], 400),
        ("PUT", "/v1/keys/a?ttl=1&ttl=2", &[], 400),
        ("PUT", "/v1/keys/a?ttl=-1", &[], 400),
        ("PUT", "/v1/keys/a", &["Ketch-Flags: 4294967296"], 400),
        ("PUT", "/v1/keys/a", &["Content-Encoding: gzip"], 415),
        ("PUT", "/v1/keys/a", &["Content-Range: bytes 0-1/2"], 400),
        ("GET", "/v1/keys/a?type=text/plain;q=%22", &[], 400),
        ("POST", "/v1/keys/a/incr?by=x", &[], 400),
        ("POST", "/v1/keys/a/incr?ttl=1m", &["If-Match: *"], 400),
        ("POST", "/v1/keys/a/incr?initial=1", &["Sec-Fetch-Site: cross-site"], 403),
        ("DELETE", "/v1/keys/a", &["Sec-Fetch-Site: cross-site"], 403),
        ("POST", "/v1/batch/get", &["Content-Type: application/json"], 400),
    ] {
        let answer = browser.ask(method, path, headers, b"");
        assert_eq!(answer.status, status, "{method} {path} {headers:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!((&answer.json()["status"], answer.json()["detail"].is_string()), (&json!(status), true));
    }
    for (method, path, allow) in [
        ("POST", "/v1/keys/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("TRACE", "/v1/keys/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("GET", "/v1/keys/a/incr", "POST, OPTIONS"),
        ("DELETE", "/", "GET, HEAD, OPTIONS"),
    ] {
        let answer = browser.ask(method, path, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        let options = browser.ask("OPTIONS", path, &[], b"");
        assert_eq!((options.status, options.header("allow")), (204, Some(allow)), "{path}");
    }
    assert_eq!(browser.ask("OPTIONS", "*", &[], b"").status, 204);
    // The rest of a body that is not read ends the connection.
    let answer = browser.ask("POST", "/v1/batch/get", &["Content-Type: text/plain"], b"{}");
    assert_eq!((answer.status, answer.header("connection")), (415, Some("close")));
    let mut client = served.browser();
    client.0.say("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.hear("GET").status, 400, "no Host");
}

fn ketch_describes_itself(served: &Served) {
    let mut browser = served.browser();
    let description = browser.get("/openapi.json").json();
    assert_eq!(
        (&description["openapi"], &description["info"]["version"]),
        (&json!("3.1.0"), &json!(env!("CARGO_PKG_VERSION")))
    );
    let page = browser.get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.text().contains("curl -i ketch/v1/keys/greeting"));
    let before = browser.get("/v1/stats").json()["cmd_get"].as_u64().unwrap();
    browser.get("/v1/keys/k");
    let after = browser.get("/v1/stats").json();
    assert_eq!(after["cmd_get"].as_u64(), Some(before + 1));
    assert_eq!(browser.get("/v1/stats?of=settings").json()["item_size_max"], json!(1 << 20));
    assert_eq!(browser.get("/v1/stats?of=conns").status, 400);
}

#[test]
fn a_route_may_say_what_its_values_are() {
    let served = Served::configured(
        "pools: { main: { protocol: embedded, nodes: [a, b] } }\n\
         routes: [{ prefix: 'img:', pool: main, content_type: image/png }, { prefix: 'img:raw:', pool: main }, { pool: main }]\n",
    );
    let mut browser = served.browser();
    let mut told = |path: &str| {
        browser.put(path.split('?').next().unwrap(), "v");
        browser.get(path).header("content-type").unwrap().to_owned()
    };
    assert_eq!(told("/v1/keys/img:1"), "image/png");
    assert_eq!(told("/v1/keys/img:1?type=image/webp"), "image/webp");
    assert_eq!(told("/v1/keys/img:raw:1"), "application/octet-stream");
    assert_eq!(told("/v1/keys/other"), "application/octet-stream");
}

/// What is packed would be stored packed, and read so by those who know nothing of it.
#[test]
fn a_body_in_another_coding_than_chunked_is_not_stored() {
    let served = Served::over_embedded_stores();
    for coding in ["gzip, chunked", "chunked, chunked"] {
        let mut browser = served.browser();
        let head = format!("PUT /v1/keys/k HTTP/1.1\r\nHost: ketch\r\nTransfer-Encoding: {coding}\r\n\r\n");
        browser.0.say(head + "3\r\nabc\r\n0\r\n\r\n");
        assert_eq!(browser.hear("PUT").status, 501, "{coding}");
    }
    let mut browser = served.browser();
    assert_eq!(browser.get("/v1/keys/k").status, 404);
    browser.0.say("PUT /v1/keys/k HTTP/1.1\r\nHost: ketch\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(browser.hear("PUT").status, 204);
    assert_eq!(browser.get("/v1/keys/k").text(), "abc");
}
