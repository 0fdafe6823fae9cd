//! The string that stands for a node in its points.

use crate::model::{Compatibility, Endpoint};

/// The port that twemproxy and libmemcached leave out.
const DEFAULT_PORT: u16 = 11211;

/// The node string of the program whose placement is copied: the `name` if there is one, else made of the
/// address.
///
/// | `compatibility` | TCP | unix socket |
/// |---|---|---|
/// | none, twemproxy | `host:port`, `host` for port 11211 | `/path:` |
/// | libmemcached, weighted or not | `host:port`, `host` for port 11211 | `/path:0` |
/// | spymemcached | `host:port` | `/path` (spymemcached has none) |
///
/// The host is as configured, an IPv6 address without brackets. spymemcached writes what Java does:
/// `10.0.0.1:11211` for an address, but `name/10.0.0.1:11211` for a host that was resolved and
/// `[0:0:0:0:0:0:0:1]:11211` for IPv6; a node of such a fleet is given that text as its `name`.
#[must_use]
pub fn label(endpoint: &Endpoint, name: Option<&str>, compatibility: Compatibility) -> String {
    if let Some(name) = name {
        return name.to_owned();
    }
    match endpoint {
        Endpoint::Tcp { host, port: DEFAULT_PORT } if compatibility != Compatibility::Spymemcached => host.clone(),
        Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        Endpoint::Unix(path) => format!("{}{}", path.display(), socket_suffix(compatibility)),
    }
}

/// What the programs write where a unix socket has no port: twemproxy (`conf_add_server`) keeps the colon,
/// libmemcached (`update_continuum`) prints port 0.
fn socket_suffix(compatibility: Compatibility) -> &'static str {
    match compatibility {
        Compatibility::None | Compatibility::Twemproxy => ":",
        Compatibility::Libmemcached | Compatibility::LibmemcachedWeighted => ":0",
        Compatibility::Spymemcached => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_label() {
        let endpoint = "10.0.0.1:11211".parse().unwrap();
        assert_eq!(label(&endpoint, Some("cache-a"), Compatibility::Twemproxy), "cache-a");
    }

    #[test]
    fn without_a_name_the_address_is_written_as_the_program_writes_it() {
        use Compatibility::{Libmemcached, LibmemcachedWeighted, None, Spymemcached, Twemproxy};
        for (endpoint, compatibility, expected) in [
            ("10.0.0.1:11211", None, "10.0.0.1"),
            ("10.0.0.1:11211", Twemproxy, "10.0.0.1"),
            ("10.0.0.1:11212", Twemproxy, "10.0.0.1:11212"),
            ("[::1]:11212", Twemproxy, "::1:11212"),
            ("unix:/run/a.sock", Twemproxy, "/run/a.sock:"),
            ("10.0.0.1:11211", Libmemcached, "10.0.0.1"),
            ("unix:/run/a.sock", LibmemcachedWeighted, "/run/a.sock:0"),
            ("10.0.0.1:11211", Spymemcached, "10.0.0.1:11211"),
        ] {
            assert_eq!(label(&endpoint.parse().unwrap(), Option::None, compatibility), expected, "{endpoint}");
        }
    }
}
