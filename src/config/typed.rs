//! What was typed: the keys of the file, nothing judged yet. The descriptions are those of the schema.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::media_type::MediaType;
use super::setting::{EndpointOrOff, HashTag, Interval, Percent, Size, Span, Text, Typed, Whole, Workers};
use super::valid::{OnEjected, Protocol, Readmit, ReadsFrom, ReadsOnError};
use crate::model::{Compatibility, Distribution, Endpoint, HashKind};

/// 1 to a million: connections, requests that wait.
pub(super) type Count = Whole<1, 1_000_000>;
/// memcached's own range for `-I`.
pub(super) type ValueSize = Size<1024, { 1 << 30 }>;
/// 1 KiB to 1 TiB.
pub(super) type Memory = Size<1024, { 1 << 40 }>;
/// A share of the keys; a node that is to have none is taken out instead.
pub(super) type Weight = Whole<1, 1_000_000>;

/// The configuration of ketch, a consistent-hashing proxy for caches. Every key has a default; a key that does
/// nothing yet in this version is refused by `ketch check`.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, title = "ketch")]
pub(super) struct FileText {
    /// Data-plane threads. `auto` is the number of cores that this process may use.
    #[schemars(extend("default" = "auto"))]
    pub workers: Typed<Workers>,
    /// Where clients are served.
    pub listeners: ListenersText,
    /// Where /metrics, /healthz, /readyz, the topology and the status page are served; `off` for nowhere.
    #[schemars(extend("default" = "127.0.0.1:11290"))]
    pub admin: Typed<EndpointOrOff>,
    /// What everything together may use.
    pub limits: LimitsText,
    /// The pools by name. Without any, `default` has three embedded stores, `a`, `b` and `c`.
    #[schemars(with = "BTreeMap<String, PoolText>", extend("minProperties" = 1))]
    pub pools: Option<BTreeMap<String, PoolText>>,
    /// Which pool has which keys: the longest prefix wins, the route without one takes the rest. May be left out
    /// where there is one pool.
    #[schemars(with = "Vec<RouteText>", extend("minItems" = 1))]
    pub routes: Option<Vec<RouteText>>,
}

/// Where clients are served.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ListenersText {
    /// For memcached's text protocol: host:port, `[::1]:port` or unix:/path.
    #[schemars(with = "Vec<Typed<Endpoint>>", extend("default" = ["127.0.0.1:11211"]))]
    pub memcached: Option<Vec<Typed<Endpoint>>>,
    /// For HTTP: host:port, `[::1]:port` or unix:/path.
    #[schemars(with = "Vec<Typed<Endpoint>>", extend("default" = ["127.0.0.1:11280"]))]
    pub http: Option<Vec<Typed<Endpoint>>>,
}

/// What everything together may use.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct LimitsText {
    /// Client connections.
    #[schemars(extend("default" = 4096))]
    pub connections: Typed<Count>,
    /// The largest value, in bytes: memcached's -I.
    #[schemars(extend("default" = "1MiB"))]
    pub value_size: Typed<ValueSize>,
    /// Bytes of replies queued for a client before it is no longer read from; at least `value_size`.
    #[schemars(extend("default" = "2MiB"))]
    pub client_buffer: Typed<Memory>,
    /// Bytes of all buffers together; at least `client_buffer`.
    #[schemars(extend("default" = "256MiB"))]
    pub memory: Typed<Memory>,
    /// A client that is silent for so long, and waits for no reply, is closed; 0s is never.
    #[schemars(extend("default" = "0s"))]
    pub client_idle: Typed<Span>,
    /// How long, on SIGTERM, what was accepted may take.
    #[schemars(extend("default" = "10s"))]
    pub drain: Typed<Span>,
}

/// One pool of nodes.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["nodes"]))]
pub(super) struct PoolText {
    /// What the nodes speak; `embedded` are stores inside this process.
    #[schemars(extend("default" = "memcached"))]
    pub protocol: Typed<Protocol>,
    /// The nodes, in an order that counts for modula and jump. Of an embedded pool, their names.
    #[schemars(with = "Vec<NodeText>", extend("minItems" = 1))]
    pub nodes: Option<Vec<NodeText>>,
    /// Bytes of each node of an embedded pool; others know their own.
    #[schemars(extend("default" = "64MiB"))]
    pub memory: Typed<Memory>,
    /// How points or slots are given to nodes. With `compatibility`, the default is that program's.
    #[schemars(extend("default" = "ketama"))]
    pub distribution: Typed<Distribution>,
    /// How a key becomes a number, with the results that twemproxy and libmemcached have under these names. With
    /// `compatibility`, the default is that program's.
    #[schemars(extend("default" = "md5"))]
    pub hash: Typed<HashKind>,
    /// Whose point strings, tie rules and defaults of `distribution` and `hash` are used, so that keys stay where a
    /// fleet has them.
    #[schemars(extend("default" = "none"))]
    pub compatibility: Typed<Compatibility>,
    /// Opening and closing character: only what stands between the first such pair is hashed. Empty for none.
    #[schemars(extend("default" = ""))]
    pub hash_tag: Typed<HashTag>,
    /// A client namespace in front of the keys that the old client did not hash.
    #[schemars(extend("default" = ""))]
    pub strip_prefix_for_hash: Typed<Text>,
    /// Connections per worker and node.
    #[schemars(extend("default" = 1))]
    pub connections: Typed<Whole<1, 1024>>,
    /// How long a connection may take to come up.
    #[schemars(extend("default" = "500ms"))]
    pub connect_timeout: Typed<Interval>,
    /// How long a request may take.
    #[schemars(extend("default" = "1s"))]
    pub request_timeout: Typed<Interval>,
    /// Requests that wait on one connection before more are refused at once.
    #[schemars(extend("default" = 4096))]
    pub max_inflight: Typed<Count>,
    /// What a read becomes when its node fails: a miss, or an error.
    #[schemars(extend("default" = "miss"))]
    pub reads_on_error: Typed<ReadsOnError>,
    /// Whether identical reads are merged.
    #[schemars(extend("default" = true))]
    pub coalesce: Typed<bool>,
    /// When a node is taken out, and when it is let back in.
    pub health: HealthText,
    /// What becomes of the keys of a node that is out: `rehash` gives them to the next distinct live owner.
    #[schemars(extend("default" = "rehash"))]
    pub on_ejected: Typed<OnEjected>,
    /// What happens to a node before it is let back in: `replay` first deletes on it what was written elsewhere.
    #[schemars(extend("default" = "replay"))]
    pub readmit: Typed<Readmit>,
    /// After a change of the nodes or of the placement, how long the old owner of a key that moved is asked on a miss;
    /// 0s is not at all. Not for redis-cluster.
    #[schemars(extend("default" = "0s"))]
    pub handover: Typed<Span>,
    /// Redis only: the user for AUTH; empty for the default user.
    #[schemars(extend("default" = ""))]
    pub user: Typed<Text>,
    /// Redis only: the password for AUTH, or the environment variable or file that has it.
    #[schemars(with = "PasswordText", extend("default" = ""))]
    pub password: Option<PasswordText>,
    /// Redis only: the number of the database.
    #[schemars(extend("default" = 0))]
    pub database: Typed<Whole<0, 65_535>>,
    /// Redis only: whether flush_all may reach FLUSHDB.
    #[schemars(extend("default" = false))]
    pub flush: Typed<bool>,
    /// redis-cluster only: which servers answer reads.
    #[schemars(extend("default" = "primary"))]
    pub reads: Typed<ReadsFrom>,
}

/// When a node is taken out, and when it is let back in.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct HealthText {
    /// Between two probes.
    #[schemars(extend("default" = "1s"))]
    pub probe_interval: Typed<Interval>,
    /// How long a probe may take.
    #[schemars(extend("default" = "500ms"))]
    pub probe_timeout: Typed<Interval>,
    /// Consecutive failures of traffic or probes until a node is out.
    #[schemars(extend("default" = 3))]
    pub eject_after: Typed<Count>,
    /// Consecutive good probes until it is in again.
    #[schemars(extend("default" = 2))]
    pub readmit_after: Typed<Count>,
    /// The share of a pool that may be out.
    #[schemars(extend("default" = "50%"))]
    pub max_ejected: Typed<Percent>,
}

/// Which pool has the keys with a prefix.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["pool"]))]
pub(super) struct RouteText {
    /// What the keys begin with; without it, the route takes all that no other takes.
    #[schemars(extend("default" = ""))]
    pub prefix: Typed<Text>,
    /// The name of a pool.
    pub pool: Typed<Text>,
    /// What HTTP clients are told that the values are, unless they ask for another; application/octet-stream when left out.
    pub content_type: Typed<MediaType>,
}

/// A node: "host:port", "host:port:weight" or "unix:/path", each with a name behind a space if it has one; or a map.
/// A node of an embedded pool: its name, or a map.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum NodeText {
    Short(Typed<Text>),
    Map(NodeMap),
}

/// A node with its parts apart.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(super) struct NodeMap {
    /// Where it is: host:port, `[::1]:port` or unix:/path.
    pub address: Typed<Endpoint>,
    /// Its share of the keys, beside those of the others.
    #[schemars(extend("default" = 1))]
    pub weight: Typed<Weight>,
    /// What stands for it on the ring; without it, its address does.
    pub name: Typed<Text>,
}

/// A password, or where it is.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum PasswordText {
    Text(Typed<Text>),
    Map(PasswordMap),
}

/// Where a password is: one of the two.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct PasswordMap {
    /// The name of an environment variable.
    pub env: Typed<Text>,
    /// The path of a file; its last line end is not part of the password.
    pub file: Typed<Text>,
}

impl<'de> Deserialize<'de> for NodeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(TextOrMap::<NodeMap>::default())? {
            Either::Text(text) => Ok(Self::Short(text)),
            Either::Map(map) => Ok(Self::Map(map)),
        }
    }
}

impl<'de> Deserialize<'de> for PasswordText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(TextOrMap::<PasswordMap>::default())? {
            Either::Text(text) => Ok(Self::Text(text)),
            Either::Map(map) => Ok(Self::Map(map)),
        }
    }
}

enum Either<M> {
    Text(Typed<Text>),
    Map(M),
}

/// Takes a text or a map. A derived `untagged` would lose how numbers were typed.
struct TextOrMap<M>(std::marker::PhantomData<M>);

impl<M> Default for TextOrMap<M> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, M: Deserialize<'de>> Visitor<'de> for TextOrMap<M> {
    type Value = Either<M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes, or a map")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Either::Text(Typed::new(text)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Either::Text(Typed::new(number.to_string())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        M::deserialize(MapAccessDeserializer::new(map)).map(Either::Map)
    }
}
