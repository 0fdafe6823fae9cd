//! What ketch's own meta commands ask, and what their answers show.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::backend::Dialect;
use crate::model::{Key, Meta, MetaReply, MetaStatus, MetaVerb, Reply, Request};

/// How long a lease lives, in seconds: longer than its holder may take, and not much longer than readers wait.
const LEASE: i64 = 2;

/// Above this a time to live is a Unix time to memcached; 30 days.
const LONGEST_RELATIVE: i64 = 60 * 60 * 24 * 30;

/// An item as an `mg` of ketch's own shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) token: u64,
    pub(super) flags: u32,
    /// Seconds that it still has; -1 is for ever.
    life: i64,
    pub(super) value: Bytes,
    size: Option<u64>,
    /// `W`: the asker has the lease.
    won: bool,
    /// `Z`: somebody had it before.
    sent: bool,
    /// `X`
    pub(super) stale: bool,
}

/// What a look with the offer to take the lease came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lease {
    /// There was no item; it is the asker's to fill, under this token.
    Held(u64),
    /// Another ketch is about to fill it.
    Busy,
    /// There is an item, with this token.
    There(u64),
    /// A client has a lease of its own: it lives as long as the client wished, and is waited for by clients.
    Foreign,
}

impl Sight {
    /// Reads the answer to an `mg`; `None` for a miss, and for whatever is no answer.
    pub(super) fn of(reply: &Reply) -> Option<Self> {
        let Reply::Meta(meta) = reply else { return None };
        if !matches!(meta.status, MetaStatus::Done | MetaStatus::Value) {
            return None;
        }
        let value = (meta.status == MetaStatus::Value).then_some(meta.value.len() as u64);
        Some(Self {
            token: number(meta, b'c').unwrap_or_default(),
            flags: number(meta, b'f').unwrap_or_default(),
            life: number(meta, b't').unwrap_or(-1),
            value: meta.value.clone(),
            size: value.or_else(|| number(meta, b's')),
            won: meta.has(b'W'),
            sent: meta.has(b'Z'),
            stale: meta.has(b'X'),
        })
    }

    /// Whether it may be the empty item that keeps the place of a value to come.
    pub(super) fn may_be_placeholder(&self) -> bool {
        self.sent && !self.stale && self.size.unwrap_or_default() == 0
    }

    /// Whether it is one for all that the answer shows.
    pub(super) fn is_placeholder(&self) -> bool {
        self.may_be_placeholder() && self.size.is_some()
    }

    pub(super) fn lease(&self) -> Lease {
        match self {
            Self { won: true, stale: false, size: Some(0), token, .. } => Lease::Held(*token),
            sight if sight.is_placeholder() && (0..=LEASE).contains(&sight.life) => Lease::Busy,
            sight if sight.is_placeholder() => Lease::Foreign,
            sight => Lease::There(sight.token),
        }
    }

    /// The `T` flag of an item that lives as long as this one still does; `None` when that is over.
    pub(super) fn life(&self) -> Option<String> {
        match self.life {
            -1 => Some("T0".to_owned()),
            left @ 1..=LONGEST_RELATIVE => Some(format!("T{left}")),
            left if left > 0 => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                Some(format!("T{}", i64::try_from(now).unwrap_or(i64::MAX).saturating_add(left).min(i32::MAX.into())))
            }
            _ => None,
        }
    }
}

fn number<N: std::str::FromStr>(meta: &MetaReply, letter: u8) -> Option<N> {
    std::str::from_utf8(meta.argument(letter)?).ok()?.parse().ok()
}

/// A look at an item: with its value, or without.
pub(super) fn look(key: &Key, with_value: bool) -> Request {
    let flags = if with_value { "s f t c v" } else { "s t c" };
    Request::Meta(Box::new(Meta::naming(MetaVerb::Get, key, flags, Bytes::new())))
}

/// A look that takes the lease where there is no item. `N` stands first: memcached answers the flags in their order.
pub(super) fn take(key: &Key) -> Request {
    let flags = format!("N{LEASE} s t c O{}", fastrand::u64(..));
    Request::Lease(Box::new(Meta::naming(MetaVerb::Get, key, &flags, Bytes::new())))
}

/// Puts an item that was found, with its flags and this life, where the lease is held.
pub(super) fn fill(key: &Key, token: u64, found: &Sight, life: &str) -> Request {
    let flags = format!("C{token} F{} {life}", found.flags);
    Request::Lease(Box::new(Meta::naming(MetaVerb::Set, key, &flags, found.value.clone())))
}

/// Gives a lease up.
pub(super) fn give_up(key: &Key, token: u64) -> Request {
    Request::Lease(Box::new(Meta::naming(MetaVerb::Delete, key, &format!("C{token}"), Bytes::new())))
}

/// Takes the lease from whoever has it, where a write does not do so by itself.
pub(super) fn revoke(key: &Key, dialect: &Dialect) -> Option<Request> {
    let Dialect::Redis(_) = dialect else { return None };
    Some(Request::Lease(Box::new(Meta::naming(MetaVerb::Delete, key, "", Bytes::new()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(flags: &'static str, value: &'static str) -> Sight {
        let status = if value.is_empty() { MetaStatus::Done } else { MetaStatus::Value };
        Sight::of(&Reply::Meta(MetaReply { status, flags: flags.into(), value: value.into() })).unwrap()
    }

    #[test]
    fn a_lease_is_told_from_what_is_there() {
        for (flags, value, lease) in [
            ("s0 t2 c7 O1 W", "", Lease::Held(7)),
            ("s0 t1 c7 O1 Z", "", Lease::Busy),
            ("s0 t30 c7 O1 Z", "", Lease::Foreign),
            ("s0 t-1 c7 O1", "", Lease::There(7)),
            ("s3 t9 c7 O1 W", "", Lease::There(7)), // recached early
            ("s3 t1 c7 O1 Z", "", Lease::There(7)),
            ("s0 t1 c7 O1 X W", "", Lease::There(7)), // stale
            ("t1 c7 Z", "abc", Lease::There(7)),
        ] {
            assert_eq!(sight(flags, value).lease(), lease, "{flags}");
        }
    }

    #[test]
    fn what_remains_of_a_life_is_said_so_that_memcached_counts_it_from_now() {
        assert_eq!(sight("t-1", "").life().as_deref(), Some("T0"));
        assert_eq!(sight("t1", "").life().as_deref(), Some("T1"));
        assert_eq!(sight("t0", "").life(), None);
        assert_eq!(sight("t2592000", "").life().as_deref(), Some("T2592000"));
        let unix: i64 = sight("t2592001", "").life().unwrap()[1..].parse().unwrap();
        assert!(unix > 1_700_000_000 + 2_592_000);
    }

    #[test]
    fn a_miss_is_nothing_to_see() {
        let miss = MetaReply { status: MetaStatus::Miss, flags: Bytes::new(), value: Bytes::new() };
        assert_eq!(Sight::of(&Reply::Meta(miss)), None);
        assert_eq!(Sight::of(&Reply::Stored), None);
    }
}
