//! An address that cannot be listened on, and what would help.

use std::{fmt, io};

use crate::model::Endpoint;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {endpoint} ({field}): {error}{}", remedy(endpoint, field, error))]
pub struct CannotListen {
    /// The address.
    pub endpoint: Endpoint,
    /// The field of the configuration that has it.
    pub field: &'static str,
    /// What the operating system said.
    pub error: io::Error,
}

/// What would help, behind a `;`, where anything is known to.
fn remedy(endpoint: &Endpoint, field: &str, error: &io::Error) -> String {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, NotFound, PermissionDenied};
    let another = format_args!("give {field} another address in the file that --config names");
    match (error.kind(), endpoint) {
        (AddrInUse, Endpoint::Tcp { port, .. }) => {
            told(format_args!("`ss -ltnp sport = :{port}` shows which process has it: stop that one, or {another}"))
        }
        (AddrInUse, Endpoint::Unix(_)) => {
            told(format_args!("another process listens there, or the file is no socket: stop that one, or {another}"))
        }
        (AddrNotAvailable, _) => {
            told(format_args!("no interface of this machine has this address (`ip address`): {another}"))
        }
        (PermissionDenied, Endpoint::Tcp { port: ..1024, .. }) => {
            told(format_args!("ports below 1024 take root or CAP_NET_BIND_SERVICE: {another}"))
        }
        (PermissionDenied | NotFound, Endpoint::Unix(_)) => {
            told(format_args!("the directory of the socket must be there, and this user must be able to write to it"))
        }
        _ => String::new(),
    }
}

fn told(words: fmt::Arguments<'_>) -> String {
    format!("; {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_help_is_said_where_it_is_known() {
        for (endpoint, kind, words) in [
            ("127.0.0.1:11211", io::ErrorKind::AddrInUse, "`ss -ltnp sport = :11211`"),
            ("unix:/run/k", io::ErrorKind::AddrInUse, "give listeners.http another address"),
            ("192.0.2.1:1", io::ErrorKind::AddrNotAvailable, "ip address"),
            ("127.0.0.1:80", io::ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            ("unix:/nowhere/k", io::ErrorKind::NotFound, "the directory of the socket"),
        ] {
            let endpoint = endpoint.parse().unwrap();
            let told = CannotListen { endpoint, field: "listeners.http", error: kind.into() }.to_string();
            assert!(told.contains("(listeners.http): ") && told.contains(words), "{told}");
        }
        let error = io::Error::other("failed to lookup address information");
        let told = CannotListen { endpoint: "cache:1".parse().unwrap(), field: "admin", error }.to_string();
        assert!(told.ends_with("information"), "{told}");
    }
}
