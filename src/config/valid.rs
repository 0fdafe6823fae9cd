//! What is valid: every field is in range, every name leads somewhere. The defaults stand here.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Endpoint, Placement};

/// A whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Data-plane threads, at least 1; `auto` is resolved.
    pub workers: usize,
    /// Where clients are served; at least one.
    pub listeners: Listeners,
    /// Where metrics, health and status are served; `None` when they are not.
    pub admin: Option<Endpoint>,
    /// What everything together may use.
    pub limits: Limits,
    /// At least one, sorted by name.
    pub pools: Vec<PoolConfig>,
    /// At least one; every prefix once, the empty one among them.
    pub routes: Vec<Route>,
}

/// Where clients are served, by what they speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// For memcached's text protocol.
    pub memcached: Vec<Endpoint>,
    /// For HTTP.
    pub http: Vec<Endpoint>,
}

/// What everything together may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections.
    pub connections: usize,
    /// The largest value, in bytes.
    pub value_size: usize,
    /// Bytes of replies queued for a client before it is no longer read from; at least `value_size`.
    pub client_buffer: usize,
    /// Bytes of all buffers together; at least `client_buffer`.
    pub memory: usize,
    /// After how long a silent client is closed; `None` for never.
    pub client_idle: Option<Duration>,
    /// How long, on a signal to end, what was accepted may take.
    pub drain: Duration,
}

/// One pool of nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Its name, unique.
    pub name: String,
    /// What the nodes speak.
    pub protocol: Protocol,
    /// At least one, in the order typed; their labels differ.
    pub nodes: Vec<NodeConfig>,
    /// Bytes of each embedded store.
    pub memory: usize,
    /// What decides a key's owner.
    pub placement: Placement,
    /// Connections per worker and node, at least 1.
    pub connections: usize,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Requests waiting on one connection before more are refused.
    pub max_inflight: usize,
    /// What a read becomes when its node fails.
    pub reads_on_error: ReadsOnError,
    /// Whether identical reads are merged.
    pub coalesce: bool,
    /// When a node is taken out, and when it is let back in.
    pub health: Health,
    /// What becomes of the keys of a node that is out.
    pub on_ejected: OnEjected,
    /// What happens to a node before it is let back in.
    pub readmit: Readmit,
    /// After a membership change, how long the old owner is asked on a miss; `None` for not at all.
    pub handover: Option<Duration>,
    /// For Redis pools only.
    pub redis: Redis,
}

/// One node of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its name on the ring; `None` when the address stands for it. An embedded node always has one.
    pub name: Option<String>,
    /// Where it is; `None` for an embedded one.
    pub endpoint: Option<Endpoint>,
    /// Its share of the keys beside those of the others, 1 to 1,000,000.
    pub weight: u32,
}

/// When a node is taken out, and when it is let back in.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Between two probes.
    pub probe_interval: Duration,
    /// How long a probe may take.
    pub probe_timeout: Duration,
    /// Consecutive failures of traffic or probes until a node is out.
    pub eject_after: u32,
    /// Consecutive good probes until it is in again.
    pub readmit_after: u32,
    /// The share of a pool that may be out, 0 to 1.
    pub max_ejected: f64,
}

/// What concerns Redis pools only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// For `AUTH`; empty for the default user.
    pub user: String,
    /// For `AUTH`.
    pub password: Password,
    /// For `SELECT`.
    pub database: u32,
    /// Whether `flush_all` may reach `FLUSHDB`.
    pub flush: bool,
    /// Which servers of a cluster answer reads.
    pub reads: ReadsFrom,
}

/// Where a password comes from; looked up when a connection needs it.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// It stands in the file; empty for none.
    Text(String),
    /// An environment variable.
    Env(String),
    /// A file, without its last line end.
    File(PathBuf),
}

/// What the nodes of a pool speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Stores inside this process.
    Embedded,
    /// memcached's text protocol.
    Memcached,
    /// Independent Redis servers.
    Redis,
    /// A Redis Cluster, which places the keys itself.
    RedisCluster,
}

impl Protocol {
    /// Whether the servers place the keys themselves: then the nodes of the pool are some of them, asked for the rest.
    #[must_use]
    pub fn places_keys(self) -> bool {
        self == Self::RedisCluster
    }
}

/// What a read becomes when its node fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadsOnError {
    /// A miss, counted.
    Miss,
    /// A `SERVER_ERROR`.
    Error,
}

/// What becomes of the keys of a node that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEjected {
    /// The next distinct live owner has them.
    Rehash,
    /// Reads miss, writes fail.
    Miss,
    /// Reads and writes fail.
    Error,
}

/// What happens to a node before it is let back in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readmit {
    /// What was written elsewhere meanwhile is deleted on it.
    Replay,
    /// It is flushed.
    Flush,
    /// Nothing.
    Keep,
}

/// Which servers of a Redis Cluster answer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadsFrom {
    /// The one that takes the writes.
    Primary,
    /// A copy, which may be behind.
    Replica,
}

/// Which pool has the keys with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What the keys begin with; empty for all that no other route takes.
    pub prefix: Vec<u8>,
    /// The place of the pool in [`Config::pools`].
    pub pool: usize,
    /// What HTTP clients are told that the values are, where it says so: a media type.
    pub content_type: Option<String>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self { memcached: vec![local(11211)], http: vec![local(11280)] }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            value_size: 1 << 20,
            client_buffer: 2 << 20,
            memory: 256 << 20,
            client_idle: None,
            drain: Duration::from_secs(10),
        }
    }
}

impl PoolConfig {
    /// A pool with every default and no nodes yet: the one thing that has none.
    pub(super) fn unfilled(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            protocol: Protocol::Memcached,
            nodes: Vec::new(),
            memory: 64 << 20,
            placement: Placement::default(),
            connections: 1,
            connect_timeout: Duration::from_millis(500),
            request_timeout: Duration::from_secs(1),
            max_inflight: 4096,
            reads_on_error: ReadsOnError::Miss,
            coalesce: true,
            health: Health::default(),
            on_ejected: OnEjected::Rehash,
            readmit: Readmit::Replay,
            handover: None,
            redis: Redis::default(),
        }
    }

    /// The pool that is there when no file names one: three embedded stores.
    pub(super) fn embedded() -> Self {
        let node = |name: &str| NodeConfig { name: Some(name.to_owned()), endpoint: None, weight: 1 };
        Self { protocol: Protocol::Embedded, nodes: ["a", "b", "c"].map(node).into(), ..Self::unfilled("default") }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            eject_after: 3,
            readmit_after: 2,
            max_ejected: 0.5,
        }
    }
}

impl Default for Redis {
    fn default() -> Self {
        let password = Password::Text(String::new());
        Self { user: String::new(), password, database: 0, flush: false, reads: ReadsFrom::Primary }
    }
}

impl std::fmt::Debug for Password {
    /// Keeps a password that stands in the file out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) if text.is_empty() => f.write_str("Text(\"\")"),
            Self::Text(_) => f.write_str("Text(***)"),
            Self::Env(name) => write!(f, "Env({name:?})"),
            Self::File(path) => write!(f, "File({path:?})"),
        }
    }
}

/// Where the admin server listens when nothing else is typed.
pub(super) fn default_admin() -> Option<Endpoint> {
    Some(local(11290))
}

/// Data-plane threads when the file says `auto`: the cores that this process may use.
pub(super) fn auto_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn local(port: u16) -> Endpoint {
    Endpoint::Tcp { host: "127.0.0.1".to_owned(), port }
}
