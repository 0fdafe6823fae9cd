//! curl does all of it, over HTTP/1.1 and over HTTP/2 without TLS.

use std::process::Command;

use crate::support::program;
use crate::{Served, over_every_pool};

over_every_pool! {
    curl_does_all_of_it,
}

fn curl_does_all_of_it(served: &Served) {
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let key = if version == "--http1.1" { "a%2Fb" } else { "c%20d" };
        let url = |rest: &str| format!("http://{}{rest}", served.address());
        let item = url(&format!("/v1/keys/{key}"));
        let curl = |arguments: &[&str]| curl(&[&[version], arguments].concat());

        assert_eq!(curl(&["-X", "PUT", "--data-binary", "one", "-H", "If-None-Match: *", &item]).status, 201);
        assert_eq!(curl(&["-X", "PUT", "--data-binary", "two", "-H", "If-None-Match: *", &item]).status, 412);
        let read = curl(&[&item]);
        assert_eq!((read.status, read.body.as_str()), (200, "one"));
        let tag = read.header("etag").unwrap();
        assert_eq!(curl(&["-H", &format!("If-None-Match: {tag}"), &item]).status, 304);
        assert_eq!(curl(&["--head", &item]).header("content-length").as_deref(), Some("3"));
        let matching = format!("If-Match: {tag}");
        assert_eq!(curl(&["-X", "PUT", "-d", "two", "-H", &matching, &format!("{item}?ttl=60")]).status, 204);
        assert_eq!(curl(&["-X", "PUT", "-d", "three", "-H", &matching, &item]).status, 412);
        assert!(curl(&[&item]).header("cache-control").unwrap().starts_with("max-age="));

        let batch = r#"{"keys": ["a/b", "c d"]}"#;
        let answer = curl(&["-H", "Content-Type: application/json", "-d", batch, &url("/v1/batch/get")]);
        assert!(answer.status == 200 && answer.body.contains("\"value\":\"dHdv\""), "{answer:?}");
        assert_eq!(curl(&["-X", "DELETE", &item]).status, 204);
        assert_eq!(curl(&["-X", "DELETE", &item]).status, 404);

        let counter = format!("{item}/incr?by=2&initial=5");
        assert_eq!(curl(&["-X", "POST", &counter]).body, "5");
        assert_eq!(curl(&["-X", "POST", &counter]).body, "7");
        assert_eq!(curl(&["-X", "DELETE", &item]).status, 204);
        let allow = curl(&["-X", "OPTIONS", &item]).header("allow");
        assert_eq!(allow.as_deref(), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
        assert!(curl(&[&url("/")]).body.contains("<title>ketch</title>"));
    }
}

#[test]
fn curl_is_told_to_go_on_or_not_before_it_sends_a_large_value() {
    let served = Served::over_embedded_stores();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/v1/keys/k", served.address());
    let put = |size: usize, headers: &[&str]| {
        let file = folder.path().join("value");
        std::fs::write(&file, vec![b'v'; size]).unwrap();
        let data = format!("@{}", file.display());
        curl(&[&["--http1.1", "-X", "PUT", "--data-binary", &data, &url], headers].concat())
    };
    let expecting = ["-H", "Expect: 100-continue", "--expect100-timeout", "60"];
    let stored = put(500_000, &expecting);
    assert_eq!((stored.status, stored.continued, stored.sent), (204, true, 500_000));
    let refused = put(5_000_000, &expecting);
    assert_eq!((refused.status, refused.continued, refused.sent), (413, false, 0));
    // A client that does not ask hears the refusal all the same, whether it tells the length first or not.
    assert_eq!(put(5_000_000, &["-H", "Expect:"]).status, 413);
    assert_eq!(put(5_000_000, &["-H", "Expect:", "-H", "Transfer-Encoding: chunked"]).status, 413);
    assert_eq!(put(1_000_000, &["-H", "Expect:", "-H", "Transfer-Encoding: chunked"]).status, 204);
    assert_eq!(curl(&[&url]).body.len(), 1_000_000);
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
    /// Whether `100 Continue` came first.
    continued: bool,
    /// How many bytes of the body curl sent.
    sent: usize,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map(|value| value.trim_end().to_owned())
    }
}

fn curl(arguments: &[&str]) -> Answer {
    let output = Command::new(program("curl", "curl"))
        .args(["--silent", "--show-error", "--max-time", "30", "--include"])
        .args(["--write-out", "\n%{http_code} %{size_upload}"])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "curl {arguments:?}: {}{said}", String::from_utf8_lossy(&output.stderr));
    let (said, told) = said.rsplit_once('\n').unwrap();
    let (status, sent) = told.split_once(' ').unwrap();
    let rest = said.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n");
    let (head, body) = rest.unwrap_or(said).split_once("\r\n\r\n").unwrap();
    Answer {
        status: status.parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
        continued: rest.is_some(),
        sent: sent.parse().unwrap(),
    }
}
