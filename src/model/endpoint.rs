//! Where something listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen on or to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `host:port` or `[::1]:port`; the host is kept without brackets and may be a name.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

/// Why a text is not an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an address: {why}; write host:port, [::1]:port or unix:/path")]
pub struct EndpointError {
    text: String,
    why: &'static str,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = |why| EndpointError { text: text.to_owned(), why };
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err(error("the path of a unix socket starts with /")),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| error("the port is missing"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(|| error("the closing ] is missing"))?,
            None if host.contains(':') => return Err(error("an IPv6 address stands in [ ]")),
            None => host,
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace()) {
            return Err(error("the host is missing"));
        }
        let port = port.parse().map_err(|_| error("the port is not a number from 0 to 65535"))?;
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_prints_as_it_is_read() {
        for text in ["127.0.0.1:11211", "[::1]:11211", "cache-1.internal:1", "unix:/run/ketch.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (text, why) in [
            ("localhost", "the port is missing"),
            ("::1:11211", "an IPv6 address stands in [ ]"),
            ("[::1:11211", "the closing ] is missing"),
            (":11211", "the host is missing"),
            ("a:99999", "the port is not a number from 0 to 65535"),
            ("unix:run", "the path of a unix socket starts with /"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().why, why, "{text}");
        }
    }
}
