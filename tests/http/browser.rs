//! A client that keeps its connection, as browsers do, and shows every byte.

use std::net::SocketAddr;

use super::support::Client;

pub struct Browser(pub Client);

/// An answer, with the names of its headers in lower case.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn etag(&self) -> String {
        self.header("etag").unwrap_or_else(|| panic!("no ETag: {self:?}")).to_owned()
    }
}

impl Browser {
    pub fn connect(address: SocketAddr) -> Self {
        Self(Client::connect(address))
    }

    /// Asks with more header lines and a body, on the connection that is open.
    pub fn ask(&mut self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: ketch\r\n");
        headers.iter().for_each(|header| head += &format!("{header}\r\n"));
        if !body.is_empty() || matches!(method, "PUT" | "POST") {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        self.0.say([head.as_bytes(), b"\r\n", body].concat());
        self.hear(method)
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn put(&mut self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("PUT", path, &[], body.as_ref())
    }

    pub fn post(&mut self, path: &str) -> Answer {
        self.ask("POST", path, &[], b"")
    }

    /// Hears one answer to `method`.
    pub fn hear(&mut self, method: &str) -> Answer {
        let first = self.0.line();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.0.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if method == "HEAD" || matches!(status, 100 | 204 | 304) {
            return answer;
        }
        answer.body = match answer.header("content-length") {
            Some(length) => self.0.bytes(length.parse().unwrap()),
            None => self.chunks(),
        };
        answer
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.0.line(), 16).unwrap();
            body.extend(self.0.bytes(size));
            assert_eq!(self.0.line(), "");
            if size == 0 {
                return body;
            }
        }
    }
}
