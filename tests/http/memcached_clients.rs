//! What HTTP stores a memcached client reads, and the other way round: flags, expiry and cas included.

use crate::{Served, over_every_pool};

over_every_pool! {
    what_http_stores_memcached_clients_read,
    what_memcached_clients_store_http_reads,
    tokens_are_the_same,
    whoever_reads_over_http_leaves_the_right_to_recache_to_others,
}

fn what_http_stores_memcached_clients_read(served: &Served) {
    let (mut browser, mut client) = (served.browser(), served.ketch.connect());
    let stored = browser.ask("PUT", "/v1/keys/k?ttl=1000", &["Ketch-Flags: 77"], b"va\r\nlue");
    let tag = stored.etag();
    client.expect("get k\r\n", "VALUE k 77 7\r\nva\r\nlue\r\nEND\r\n");
    assert_eq!(client.ask("mg k f s c"), format!("HD f77 s7 c{}", tag.trim_matches('"')));
    let told = client.ask("mg k t");
    let left: i64 = told.strip_prefix("HD t").unwrap().parse().unwrap();
    assert!((990..=1000).contains(&left), "{told}");
    browser.put("/v1/keys/a%20b%00", "binary");
    assert!(client.ask("mg YSBiAA== b v").starts_with("VA 6"));
    assert_eq!(client.bytes(8), b"binary\r\n");
    browser.post("/v1/keys/n/incr?initial=41");
    assert_eq!(client.ask("incr n 1"), "42");
    browser.ask("DELETE", "/v1/keys/k", &[], b"");
    assert_eq!(client.ask("get k"), "END");
}

pub fn what_memcached_clients_store_http_reads(served: &Served) {
    let (mut browser, mut client) = (served.browser(), served.ketch.connect());
    client.expect("set k 4294967295 1000 5\r\nva\r\nl\r\n", "STORED\r\n");
    let read = browser.get("/v1/keys/k");
    assert_eq!((read.status, read.text().as_str()), (200, "va\r\nl"));
    assert_eq!(read.header("ketch-flags"), Some("4294967295"));
    assert!(read.header("cache-control").unwrap().starts_with("max-age="));
    assert!(client.ask("ms /wAg 3 b F5\r\nabc").starts_with("HD"));
    let read = browser.get("/v1/keys/%ff%00%20");
    assert_eq!(
        (read.text().as_str(), read.header("ketch-flags"), read.header("cache-control")),
        ("abc", Some("5"), None)
    );
    client.expect("set n 0 0 2\r\n10\r\n", "STORED\r\n");
    assert_eq!(browser.post("/v1/keys/n/decr?by=3").text(), "7");
    client.expect("set gone 0 -1 1\r\nx\r\n", "STORED\r\n");
    assert_eq!(browser.get("/v1/keys/gone").status, 404);
}

pub fn tokens_are_the_same(served: &Served) {
    let (mut browser, mut client) = (served.browser(), served.ketch.connect());
    let tag = browser.put("/v1/keys/k", "one").etag();
    let token = tag.trim_matches('"');
    client.expect("gets k\r\n", format!("VALUE k 0 3 {token}\r\none\r\nEND\r\n"));
    client.expect(format!("cas k 0 0 3 {token}\r\ntwo\r\n"), "STORED\r\n");
    let late = format!("If-Match: {tag}");
    assert_eq!(browser.ask("PUT", "/v1/keys/k", &[&late], b"three").status, 412);
    let tag = browser.get("/v1/keys/k").etag();
    let matching = format!("If-Match: {tag}");
    assert_eq!(browser.ask("PUT", "/v1/keys/k", &[&matching], b"three").status, 204);
    client.expect(format!("cas k 0 0 4 {}\r\nfour\r\n", tag.trim_matches('"')), "EXISTS\r\n");
}

fn whoever_reads_over_http_leaves_the_right_to_recache_to_others(served: &Served) {
    let (mut browser, mut client) = (served.browser(), served.ketch.connect());
    let mut ask = |method: &str, path: &str, headers: &[&str], body: &[u8]| browser.ask(method, path, headers, body);
    client.expect("set k 5 999 3\r\nold\r\nmd k I\r\n", "STORED\r\nHD\r\n");
    let first = ask("GET", "/v1/keys/k", &[], b"");
    let head = ask("HEAD", "/v1/keys/k", &[], b"");
    for read in [&first, &head] {
        assert_eq!((read.status, read.header("ketch-flags")), (200, Some("5")));
        assert_eq!((read.header("cache-control"), read.header("content-length")), (Some("max-age=0"), Some("3")));
    }
    assert_eq!(first.text(), "old");
    let batch = ask("POST", "/v1/batch/get", &["Content-Type: application/json"], br#"{"keys": ["k"]}"#).json();
    let item = &batch["items"][0];
    assert_eq!((&item["value"], &item["ttl"], &item["flags"]), (&"b2xk".into(), &0.into(), &5.into()));
    let tag = item["etag"].as_str().unwrap().to_owned();
    assert_eq!(client.ask("gets k"), format!("VALUE k 5 3 {}", tag.trim_matches('"')));
    assert_eq!((client.line().as_str(), client.line().as_str()), ("old", "END"));
    // Conditions that do not hold take nothing either.
    assert_eq!(ask("PUT", "/v1/keys/k", &["If-None-Match: *"], b"new").status, 412);
    assert_eq!(ask("PUT", "/v1/keys/k", &["If-Match: \"1\", \"2\""], b"new").status, 412);
    assert_eq!(client.ask("mg k f"), "HD f5 X W");
    assert!(client.ask("mg k t").starts_with("HD t9"), "its life is as it was");
    let others = ask("GET", "/v1/keys/k", &[], b"");
    assert_eq!((others.text().as_str(), others.header("cache-control")), ("old", Some("max-age=0")));
    let matching = format!("If-Match: {}", others.etag());
    assert_eq!(ask("PUT", "/v1/keys/k?ttl=100", &[&matching], b"new").status, 204);
    let fresh = ask("GET", "/v1/keys/k", &[], b"");
    assert_eq!(fresh.text(), "new");
    assert_ne!(fresh.header("cache-control"), Some("max-age=0"));

    client.expect("ms /wAg 3 b\r\nold\r\nmd /wAg b I\r\n", "HD\r\nHD\r\n");
    let binary = ask("GET", "/v1/keys/%ff%00%20", &[], b"");
    assert_eq!((binary.text().as_str(), binary.header("etag")), ("old", None));
    assert_eq!(client.ask("mg /wAg b"), "HD X W");
}
