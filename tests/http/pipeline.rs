//! Many requests on one HTTP/1.1 connection before the first answer.

use std::net::Shutdown;

use crate::{Served, over_every_pool};

over_every_pool! {
    answers_keep_the_order_of_the_requests,
    a_client_that_ends_its_side_hears_its_answers,
    a_request_may_come_a_byte_at_a_time,
    an_answer_does_not_wait_for_the_rest_of_what_comes_behind,
    what_is_no_request_is_told_so,
}

const REQUESTS: usize = 500;

pub fn answers_keep_the_order_of_the_requests(served: &Served) {
    let mut browser = served.browser();
    let mut said = Vec::new();
    for n in 0..REQUESTS {
        let value = format!("value {n}");
        let length = value.len();
        said.extend(
            format!("PUT /v1/keys/k{n} HTTP/1.1\r\nHost: k\r\nContent-Length: {length}\r\n\r\n{value}").bytes(),
        );
        said.extend(format!("GET /v1/keys/k{n} HTTP/1.1\r\nHost: k\r\n\r\n").bytes());
    }
    let mut stream = browser.0.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stream, &said).unwrap());
    for n in 0..REQUESTS {
        assert_eq!(browser.hear("PUT").status, 204);
        assert_eq!(browser.hear("GET").text(), format!("value {n}"));
    }
    writer.join().unwrap();
}

fn a_client_that_ends_its_side_hears_its_answers(served: &Served) {
    let mut browser = served.browser();
    browser.put("/v1/keys/k", "v");
    browser.0.say("GET /v1/keys/k HTTP/1.1\r\nHost: k\r\n\r\n".repeat(3));
    browser.0.stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(browser.hear("GET").text(), "v");
    }
    assert_eq!(browser.0.rest(), b"");
}

fn a_request_may_come_a_byte_at_a_time(served: &Served) {
    let mut browser = served.browser();
    for byte in
        b"PUT /v1/keys/k?ttl=60 HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    {
        browser.0.say([*byte]);
    }
    assert_eq!(browser.hear("PUT").status, 204);
    assert_eq!(browser.get("/v1/keys/k").text(), "abc");
}

fn an_answer_does_not_wait_for_the_rest_of_what_comes_behind(served: &Served) {
    // Half a request, and the line end too many that old clients send.
    for (behind, rest) in [
        ("GET /v1/ke", "ys/none HTTP/1.1\r\nHost: k\r\n\r\n"),
        ("\r\n", "GET /v1/keys/none HTTP/1.1\r\nHost: k\r\n\r\n"),
    ] {
        let mut browser = served.browser();
        browser.put("/v1/keys/k", "v");
        browser.0.say(format!("GET /v1/keys/k HTTP/1.1\r\nHost: k\r\n\r\n{behind}"));
        assert_eq!(browser.hear("GET").text(), "v", "{behind:?}");
        browser.0.say(rest);
        assert_eq!(browser.hear("GET").status, 404, "{behind:?}");
    }
}

fn what_is_no_request_is_told_so(served: &Served) {
    for said in ["get foo\r\n\r\n", "PUT /v1/keys/k HTTP/1.1\r\nHost: k\r\nContent-Length: x\r\n\r\n"] {
        let mut browser = served.browser();
        browser.0.say(said);
        assert_eq!(browser.hear("GET").status, 400, "{said:?}");
    }
}
