//! One pool: which keys belong to its protocol, and what its program's defaults are.

use super::node;
use super::problem::Field;
use super::setting::{Text, Typed, size};
use super::typed::{HealthText, PasswordText, PoolText};
use super::valid::{Health, Limits, Password, PoolConfig, Protocol, Readmit, Redis};
use super::words::Word;
use crate::model::{Compatibility, Distribution, HashKind, Placement};

/// Converts what was typed under `pools.NAME`; what is wrong goes to the report and leaves its default.
pub(super) fn convert(at: &Field<'_>, name: &str, typed: &PoolText, limits: &Limits) -> PoolConfig {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        at.refuse_key("is no name for a pool; write one without blanks");
    }
    let default = PoolConfig::unfilled(name);
    let protocol = at.read_or("protocol", &typed.protocol, default.protocol);
    // Of another protocol than was meant, everything would look wrong.
    let is_known = at.key("protocol").is_clean();
    if is_known {
        belongings(at, typed, protocol);
    }
    let nodes = match is_known {
        true => node::convert(&at.key("nodes"), typed.nodes.as_deref(), protocol),
        false => Vec::new(),
    };
    let pool = PoolConfig {
        protocol,
        nodes,
        memory: at.read_or("memory", &typed.memory, default.memory),
        placement: placement(at, typed),
        connections: at.read("connections", &typed.connections).map_or(default.connections, |count| count as usize),
        connect_timeout: at.read_or("connect_timeout", &typed.connect_timeout, default.connect_timeout),
        request_timeout: at.read_or("request_timeout", &typed.request_timeout, default.request_timeout),
        max_inflight: at.read("max_inflight", &typed.max_inflight).map_or(default.max_inflight, |count| count as usize),
        reads_on_error: at.read_or("reads_on_error", &typed.reads_on_error, default.reads_on_error),
        coalesce: at.read_or("coalesce", &typed.coalesce, default.coalesce),
        health: health(&at.key("health"), &typed.health),
        on_ejected: at.read_or("on_ejected", &typed.on_ejected, default.on_ejected),
        readmit: at.read_or("readmit", &typed.readmit, default.readmit),
        handover: at.read("handover", &typed.handover).filter(|span| !span.is_zero()),
        redis: redis(at, typed),
        ..default
    };
    if pool.readmit == Readmit::Flush && is_redis(protocol) && !pool.redis.flush {
        at.key("readmit").refuse("flushes, which this pool forbids; write flush: true beside it, or replay or keep");
    }
    let are_clean = at.key("memory").is_clean() && at.top().key("limits").key("value_size").is_clean();
    if protocol == Protocol::Embedded && are_clean {
        room_for_a_value(at, pool.memory, limits.value_size);
    }
    pool
}

fn is_redis(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Redis | Protocol::RedisCluster)
}

/// An embedded store keeps no item of more than half its memory.
fn room_for_a_value(at: &Field<'_>, memory: usize, value_size: usize) {
    let least = value_size.saturating_mul(2);
    if memory < least {
        let (memory, least) = (size(memory as u64), size(least as u64));
        at.key("memory").refuse(format!("{memory} is less than twice limits.value_size; write at least {least}"));
    }
}

/// Refuses keys that do nothing with this protocol.
fn belongings(at: &Field<'_>, typed: &PoolText, protocol: Protocol) {
    use Protocol::{Embedded, Memcached, Redis, RedisCluster};
    let remote = &[Memcached, Redis, RedisCluster][..];
    let placed = &[Embedded, Memcached, Redis][..];
    let redis = &[Redis, RedisCluster][..];
    let typed = [
        ("memory", typed.memory.text().is_some(), &[Embedded][..]),
        ("distribution", typed.distribution.text().is_some(), placed),
        ("hash", typed.hash.text().is_some(), placed),
        ("compatibility", typed.compatibility.text().is_some(), placed),
        ("hash_tag", typed.hash_tag.text().is_some(), placed),
        ("strip_prefix_for_hash", typed.strip_prefix_for_hash.text().is_some(), placed),
        ("connections", typed.connections.text().is_some(), remote),
        ("connect_timeout", typed.connect_timeout.text().is_some(), remote),
        ("request_timeout", typed.request_timeout.text().is_some(), remote),
        ("max_inflight", typed.max_inflight.text().is_some(), remote),
        ("reads_on_error", typed.reads_on_error.text().is_some(), remote),
        ("on_ejected", typed.on_ejected.text().is_some(), remote),
        ("readmit", typed.readmit.text().is_some(), remote),
        // A cluster moves its slots itself.
        ("handover", typed.handover.text().is_some(), placed),
        ("user", typed.user.text().is_some(), redis),
        ("password", typed.password.is_some(), redis),
        ("database", typed.database.text().is_some(), &[Redis]),
        ("flush", typed.flush.text().is_some(), redis),
        ("reads", typed.reads.text().is_some(), &[RedisCluster]),
    ];
    for (key, written, protocols) in typed {
        if written && !protocols.contains(&protocol) {
            let owners = protocols.iter().map(|protocol| protocol.name()).collect::<Vec<_>>().join(", ");
            let name = protocol.name();
            at.key(key).refuse_key(format!("belongs to {owners}, and this pool is {name}; take it out"));
        }
    }
}

/// The distribution and the hash that a program uses when told neither.
///
/// twemproxy: `conf.h` (`CONF_DEFAULT_DIST`, `CONF_DEFAULT_HASH`). libmemcached: `memcached_create` gives modula and
/// one-at-a-time, `MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED` ketama and MD5. spymemcached: `KetamaConnectionFactory`.
fn defaults(compatibility: Compatibility) -> (Distribution, HashKind) {
    match compatibility {
        Compatibility::Twemproxy => (Distribution::Ketama, HashKind::Fnv1a64),
        Compatibility::Libmemcached => (Distribution::Modula, HashKind::OneAtATime),
        Compatibility::None | Compatibility::LibmemcachedWeighted | Compatibility::Spymemcached => {
            (Distribution::Ketama, HashKind::Md5)
        }
    }
}

fn placement(at: &Field<'_>, typed: &PoolText) -> Placement {
    let compatibility = at.read_or("compatibility", &typed.compatibility, Compatibility::None);
    let (distribution, hash) = defaults(compatibility);
    let placement = Placement {
        distribution: at.read_or("distribution", &typed.distribution, distribution),
        hash: at.read_or("hash", &typed.hash, hash),
        compatibility,
        hash_tag: at.read("hash_tag", &typed.hash_tag).flatten(),
        strip_prefix: at.read("strip_prefix_for_hash", &typed.strip_prefix_for_hash).unwrap_or_default().into(),
    };
    let foreign = matches!(placement.distribution, Distribution::Jump | Distribution::Rendezvous);
    if foreign && compatibility != Compatibility::None {
        let (distribution, program) = (placement.distribution.name(), compatibility.name());
        at.key("distribution")
            .refuse(format!("{program} has no {distribution}; write ketama or modula, or no compatibility"));
    }
    placement
}

fn health(at: &Field<'_>, typed: &HealthText) -> Health {
    let default = Health::default();
    Health {
        probe_interval: at.read_or("probe_interval", &typed.probe_interval, default.probe_interval),
        probe_timeout: at.read_or("probe_timeout", &typed.probe_timeout, default.probe_timeout),
        eject_after: at.read_or("eject_after", &typed.eject_after, default.eject_after),
        readmit_after: at.read_or("readmit_after", &typed.readmit_after, default.readmit_after),
        max_ejected: at.read_or("max_ejected", &typed.max_ejected, default.max_ejected),
    }
}

fn redis(at: &Field<'_>, typed: &PoolText) -> Redis {
    let default = Redis::default();
    let password = typed.password.as_ref().and_then(|password| password_of(&at.key("password"), password));
    Redis {
        user: at.read_or("user", &typed.user, default.user),
        password: password.unwrap_or(default.password),
        database: at.read_or("database", &typed.database, default.database),
        flush: at.read_or("flush", &typed.flush, default.flush),
        reads: at.read_or("reads", &typed.reads, default.reads),
    }
}

fn password_of(at: &Field<'_>, typed: &PasswordText) -> Option<Password> {
    let read = |text: &Typed<Text>| text.text().map(str::to_owned);
    match typed {
        PasswordText::Text(text) => read(text).map(Password::Text),
        PasswordText::Map(map) => match (read(&map.env), read(&map.file)) {
            (Some(name), None) => Some(Password::Env(name)),
            (None, Some(path)) => Some(Password::File(path.into())),
            _ => {
                at.refuse("is in one place; write either env or file");
                None
            }
        },
    }
}
