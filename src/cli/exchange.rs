//! One HTTP exchange, as much of it as ketch itself answers with.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::model::Endpoint;

/// How long the server may take with each step.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest line of a head.
const MAX_LINE: u64 = 16 * 1024;

/// `http://host:port`, perhaps with a `/` behind it; the scheme may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    host: String,
    port: u16,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("\"{text}\" is neither http://host:port nor host:port");
        let authority = text.strip_prefix("http://").unwrap_or(text);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        match authority.parse() {
            Ok(Endpoint::Tcp { host, port }) if !host.contains(['/', '?', '@']) => Ok(Self { host, port }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", Endpoint::Tcp { host: self.host.clone(), port: self.port })
    }
}

/// Asks once on a connection of its own; the status and the body of the answer.
///
/// # Errors
/// When there is no connection, or what comes is no whole answer.
pub(super) fn exchange(url: &Url, method: &str, path: &str, body: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
    let stream = TcpStream::connect((url.host.as_str(), url.port))
        .with_context(|| format!("cannot reach {url}; is ketch running, and is listeners.http there? (--url)"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let host = Endpoint::Tcp { host: url.host.clone(), port: url.port };
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    // A server that refuses a value may do so, and close, before it has all of it.
    let sent = (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(body));
    let answer = read_answer(&mut BufReader::new(&stream));
    match (answer, sent) {
        (Err(_), Err(error)) => Err(error).with_context(|| format!("{url} broke the connection")),
        (answer, _) => answer
            .with_context(|| format!("{url} did not answer as HTTP has it; is that an address of listeners.http?")),
    }
}

fn read_answer(input: &mut impl BufRead) -> anyhow::Result<(u16, Vec<u8>)> {
    let first = read_line(input)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let status = status.with_context(|| format!("\"{first}\""))?;
    let mut length = None;
    loop {
        let line = read_line(input)?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = Some(value.trim().parse()?),
            Some(_) => {}
            None if line.is_empty() => break,
            None => bail!("\"{line}\""),
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => {
            input.take(length).read_to_end(&mut body)?;
            if (body.len() as u64) < length {
                bail!("the answer breaks off");
            }
        }
        None if status == 204 || status == 304 => {}
        None => drop(input.read_to_end(&mut body)?),
    }
    Ok((status, body))
}

fn read_line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input.take(MAX_LINE).read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => bail!("the answer breaks off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("http://127.0.0.1:11280", "127.0.0.1", 11280),
            ("http://cache.internal:80/", "cache.internal", 80),
            ("http://[::1]:5", "::1", 5),
            ("http://cache", "cache", 80),
            ("127.0.0.1:11280", "127.0.0.1", 11280),
            ("http://[::1]", "::1", 80),
        ] {
            assert_eq!(text.parse(), Ok(Url { host: host.to_owned(), port }), "{text}");
        }
        for text in ["https://a:1", "http://", "http://a/b:1", "http://a:1/x", "http://u@a:1"] {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_is_whole_or_none() {
        let read = |text: &str| read_answer(&mut text.as_bytes()).ok();
        let whole = "HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 3\r\n\r\nabc";
        assert_eq!(read(whole), Some((200, b"abc".to_vec())));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, vec![])));
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        assert_eq!(read("VALUE a 0 1\r\n"), None);
    }
}
