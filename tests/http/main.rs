//! The HTTP front does what PROTOCOL.md's section 4 says, over real memcached servers and over embedded stores.

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod curl;
mod described;
mod failures;
mod floods;
mod frames;
mod h2;
mod limits;
mod lost_update;
mod memcached_clients;
mod pipeline;
mod redis_pools;
mod semantics;
mod terminal;

use std::net::SocketAddr;

use browser::Browser;
use support::redis::Redis;
use support::{Ketch, Memcached, pool};

/// A ketch with an HTTP listener, and the servers that it has behind it.
struct Served {
    ketch: Ketch,
    /// They live as long as it does.
    _nodes: Vec<Memcached>,
    _servers: Vec<Redis>,
}

impl Served {
    fn over_four_memcacheds() -> Self {
        let nodes: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
        let addresses: Vec<_> = nodes.iter().map(Memcached::address).collect();
        Self { ketch: Ketch::start_with_http(&pool(&addresses, "")), _nodes: nodes, _servers: Vec::new() }
    }

    fn over_four_redis_servers() -> Self {
        let servers: Vec<_> = (0..4).map(|_| Redis::start()).collect();
        let config = support::redis::pool(&servers, "");
        Self { ketch: Ketch::start_with_http(&config), _nodes: Vec::new(), _servers: servers }
    }

    fn over_embedded_stores() -> Self {
        Self::configured("pools: { main: { protocol: embedded, nodes: [a, b, c] } }\nroutes: [{ pool: main }]\n")
    }

    fn configured(config: &str) -> Self {
        Self { ketch: Ketch::start_with_http(config), _nodes: Vec::new(), _servers: Vec::new() }
    }

    fn address(&self) -> SocketAddr {
        self.ketch.http.unwrap()
    }

    fn browser(&self) -> Browser {
        Browser::connect(self.address())
    }
}

/// A module for each kind of pool, in which each of the functions is a test.
#[macro_export]
macro_rules! over_every_pool {
    ($($test:ident,)*) => {
        mod over_four_memcacheds {
            $(#[test] fn $test() { super::$test(&$crate::Served::over_four_memcacheds()); })*
        }
        mod over_embedded_stores {
            $(#[test] fn $test() { super::$test(&$crate::Served::over_embedded_stores()); })*
        }
    };
}
