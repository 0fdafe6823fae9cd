//! `ketch get`, `set`, `delete`, `stats`: a running ketch asked over HTTP, for people at a terminal.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::exchange::{Url, exchange};
use crate::config::duration;

/// Which ketch is asked.
#[derive(Debug, clap::Args)]
struct Server {
    /// Where ketch serves HTTP; a bare host:port will do.
    #[arg(long, env = "KETCH_URL", value_name = "URL", default_value = "http://127.0.0.1:11280")]
    url: Url,
}

/// The arguments of `ketch get`.
#[derive(Debug, clap::Args)]
pub(super) struct Get {
    #[command(flatten)]
    server: Server,

    /// The key, as clients send it.
    #[arg(value_name = "KEY")]
    key: OsString,
}

/// The arguments of `ketch set`.
#[derive(Debug, clap::Args)]
pub(super) struct Set {
    #[command(flatten)]
    server: Server,

    /// How long the item lives: seconds, or a time such as 90s, 5m, 12h or 7d; 0 is for ever.
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = seconds)]
    ttl: u64,

    /// The key, as clients send it.
    #[arg(value_name = "KEY")]
    key: OsString,

    /// The value; - or none is stdin, to its end.
    #[arg(value_name = "VALUE")]
    value: Option<OsString>,
}

/// The arguments of `ketch delete`.
#[derive(Debug, clap::Args)]
pub(super) struct Delete {
    #[command(flatten)]
    server: Server,

    /// The key, as clients send it.
    #[arg(value_name = "KEY")]
    key: OsString,
}

/// The arguments of `ketch stats`.
#[derive(Debug, clap::Args)]
pub(super) struct Stats {
    #[command(flatten)]
    server: Server,

    /// Which statistics: the general ones when left out.
    #[arg(value_name = "OF", value_parser = ["ketch", "settings"])]
    of: Option<String>,
}

/// Prints the value as it is, without a line end of its own.
///
/// # Errors
/// When there is no such item, or ketch cannot be asked.
pub(super) fn get(args: &Get) -> anyhow::Result<()> {
    let value = ask(&args.server, "GET", &path(&args.key, ""), &[])?;
    super::print_bytes(&value)
}

/// Stores a value.
///
/// # Errors
/// When it cannot be stored, or ketch cannot be asked.
pub(super) fn set(args: &Set) -> anyhow::Result<()> {
    let value = match &args.value {
        Some(value) if value != "-" => value.as_bytes().to_vec(),
        _ => {
            let mut value = Vec::new();
            std::io::stdin().lock().read_to_end(&mut value).context("cannot read the value from stdin")?;
            value
        }
    };
    ask(&args.server, "PUT", &path(&args.key, &format!("?ttl={}", args.ttl)), &value)?;
    Ok(())
}

/// Deletes an item.
///
/// # Errors
/// When there is no such item, or ketch cannot be asked.
pub(super) fn delete(args: &Delete) -> anyhow::Result<()> {
    ask(&args.server, "DELETE", &path(&args.key, ""), &[])?;
    Ok(())
}

/// Prints the statistics, a line each: its name and its value.
///
/// # Errors
/// When ketch cannot be asked.
pub(super) fn stats(args: &Stats) -> anyhow::Result<()> {
    let of = args.of.as_ref().map(|of| format!("?of={of}")).unwrap_or_default();
    let body = ask(&args.server, "GET", &format!("/v1/stats{of}"), &[])?;
    let statistics: Map<String, Value> = serde_json::from_slice(&body).context("the answer is not ketch's")?;
    let mut text = String::new();
    for (name, value) in statistics {
        match value {
            Value::String(value) => writeln!(text, "{name} {value}")?,
            value => writeln!(text, "{name} {value}")?,
        }
    }
    super::print(&text)
}

/// Asks, and gives the body of an answer that is none of trouble.
fn ask(server: &Server, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (status, body) = exchange(&server.url, method, path, body)?;
    if status < 400 {
        return Ok(body);
    }
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => bail!("{detail}"),
        None => bail!("the answer is {status}; is this ketch's HTTP address?"),
    }
}

/// A time to live in whole seconds.
fn seconds(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let life = duration(text).map_err(|_| "write seconds, or a whole number with s, m, h or d, as in 5m".to_owned())?;
    match life.subsec_nanos() {
        0 => Ok(life.as_secs()),
        _ => Err("an item lives for whole seconds".to_owned()),
    }
}

/// The path of a key, every byte that may mean something else in percent-encoding.
fn path(key: &OsString, query: &str) -> String {
    let mut path = String::from("/v1/keys/");
    for byte in key.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b':' => path.push(char::from(*byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
    }
    path + query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_seconds_or_a_time() {
        for (text, wanted) in [("0", 0), ("60", 60), ("90s", 90), ("5m", 300), ("12h", 43_200), ("2000ms", 2)] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in ["", "-1", "5 m", "1w", "250ms", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_of_any_bytes_has_a_path() {
        let key = OsString::from("user:42/a b.%é");
        assert_eq!(path(&key, "?ttl=1"), "/v1/keys/user:42%2Fa%20b%2E%25%C3%A9?ttl=1");
    }
}
