//! Classic and meta writes in the words of meta commands that insist on the token of the item which was seen, and
//! their answers in the words of the client's.

use bytes::Bytes;
use smallvec::smallvec;

use super::sight::Sight;
use crate::model::{Item, Meta, MetaReply, MetaStatus, MetaVerb, Reply, Request, Store, StoreMode};

/// What stores only where there is nothing, as a store over the lease of this token; `None` for all else.
pub(super) fn add(request: &Request, token: u64) -> Option<Request> {
    match request {
        Request::Store(store) if store.mode == StoreMode::Add => Some(store_under(store, token, "")),
        Request::Meta(meta) if meta.has(b'M') && meta.flags().any(|flag| flag == b"ME") => {
            let flags: Vec<&[u8]> = meta.flags().filter(|flag| flag[0] != b'M').collect();
            let flags: Bytes = flags.join(&b' ').into();
            Some(insisting(&Meta { flags, ..(**meta).clone() }, token))
        }
        _ => None,
    }
}

/// The same write for an item of this token only; the same touch in words that show what was touched. `None` for what
/// has a token of its own, and for what loses nothing when it meets another item.
pub(super) fn guarded(request: &Request, token: u64) -> Option<Request> {
    let own = |verb, key, flags: &str| Request::Meta(Box::new(Meta::naming(verb, key, flags, Bytes::new())));
    match request {
        Request::Store(store) => match store.mode {
            StoreMode::Replace => Some(store_under(store, token, "")),
            StoreMode::Append => Some(store_under(store, token, " MA")),
            StoreMode::Prepend => Some(store_under(store, token, " MP")),
            StoreMode::Set | StoreMode::Add | StoreMode::Cas(_) => None,
        },
        Request::Arithmetic(count) => {
            let mode = if count.decrement { "MD" } else { "MI" };
            let flags = format!("C{token} {mode} D{} v", count.delta);
            Some(own(MetaVerb::Arithmetic, &count.key, &flags))
        }
        Request::Touch { key, expiry } => Some(own(MetaVerb::Get, key, &format!("T{} s t c", expiry.0))),
        Request::Read(read) => {
            let (key, expiry) = (read.keys.as_slice().first()?, read.touch?);
            Some(own(MetaVerb::Get, key, &format!("T{} s f t c v", expiry.0)))
        }
        Request::Delete(key) => Some(own(MetaVerb::Delete, key, &format!("C{token}"))),
        Request::Meta(meta) if is_unguarded(meta) => Some(insisting(meta, token)),
        _ => None,
    }
}

/// Whether it gives an item a new life.
pub(super) fn touches(request: &Request) -> bool {
    match request {
        Request::Touch { .. } | Request::Read(_) => true,
        Request::Meta(meta) => meta.verb == MetaVerb::Get,
        _ => false,
    }
}

/// Whether it counts.
pub(super) fn counts(request: &Request) -> bool {
    match request {
        Request::Arithmetic(_) => true,
        Request::Meta(meta) => meta.verb == MetaVerb::Arithmetic,
        _ => false,
    }
}

/// What the client hears of [`guarded`] and [`add`]; `None` when the item was another by then.
pub(super) fn answer(request: &Request, reply: Reply) -> Option<Reply> {
    let Reply::Meta(meta) = reply else { return Some(reply) };
    let is_add = add(request, 0).is_some();
    Some(match (request, meta.status) {
        (_, MetaStatus::Exists) => return None,
        (_, MetaStatus::NotFound) if is_add => return None,
        (Request::Store(_), MetaStatus::Done) => Reply::Stored,
        (Request::Store(_), _) => Reply::NotStored,
        (Request::Arithmetic(_), MetaStatus::Value) => match number(&meta.value) {
            Some(number) => Reply::Number(number),
            None => Reply::Meta(meta),
        },
        (Request::Arithmetic(_), _) => Reply::NotFound,
        (Request::Delete(_), MetaStatus::Done) => Reply::Deleted,
        (Request::Delete(_), _) => Reply::NotFound,
        (Request::Touch { .. }, MetaStatus::Miss) => Reply::NotFound,
        (Request::Touch { .. }, _) => Reply::Touched,
        (Request::Read(read), _) => {
            let item = Sight::of(&Reply::Meta(meta));
            Reply::Items(smallvec![item.map(|item| Item {
                flags: item.flags,
                cas: read.cas.then_some(item.token),
                value: item.value,
            })])
        }
        // To memcached a replace that insists on a token is a cas.
        (Request::Meta(asked), MetaStatus::NotFound) if asked.verb == MetaVerb::Set => {
            Reply::Meta(MetaReply { status: MetaStatus::NotStored, ..meta })
        }
        _ => Reply::Meta(meta),
    })
}

/// The answer to a delete where there is nothing.
pub(super) fn nothing(request: &Request) -> Reply {
    match request {
        Request::Meta(meta) => {
            let (status, value) = (MetaStatus::NotFound, Bytes::new());
            Reply::Meta(MetaReply { status, flags: meta.echo(), value })
        }
        _ => Reply::NotFound,
    }
}

/// The answer to a delete, where the old owner had the item: there was one.
pub(super) fn deleted(reply: Reply) -> Reply {
    match reply {
        Reply::NotFound => Reply::Deleted,
        Reply::Meta(meta) if meta.status == MetaStatus::NotFound => {
            Reply::Meta(MetaReply { status: MetaStatus::Done, ..meta })
        }
        reply => reply,
    }
}

/// Whether a meta command has no token that it insists on, and takes one.
fn is_unguarded(meta: &Meta) -> bool {
    matches!(meta.verb, MetaVerb::Set | MetaVerb::Delete | MetaVerb::Arithmetic)
        && !meta.has(b'C')
        && !meta.flags().any(|flag| flag == b"ME")
}

fn insisting(meta: &Meta, token: u64) -> Request {
    let mut flags = meta.flags.to_vec();
    if !flags.is_empty() {
        flags.push(b' ');
    }
    flags.extend_from_slice(format!("C{token}").as_bytes());
    Request::Meta(Box::new(Meta { flags: flags.into(), ..meta.clone() }))
}

fn store_under(store: &Store, token: u64, mode: &str) -> Request {
    let flags = format!("C{token} F{} T{}{mode}", store.flags, store.expiry.0);
    Request::Meta(Box::new(Meta::naming(MetaVerb::Set, &store.key, &flags, store.value.clone())))
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arithmetic, Expiry, Key};

    fn key() -> Key {
        Key::new(b"k").unwrap()
    }

    fn store(mode: StoreMode) -> Request {
        let (key, flags, expiry, value) = (key(), 5, Expiry(60), Bytes::from_static(b"v"));
        Request::Store(Box::new(Store { mode, key, flags, expiry, value }))
    }

    fn meta(verb: MetaVerb, flags: &str) -> Request {
        Request::Meta(Box::new(Meta::naming(verb, &key(), flags, Bytes::new())))
    }

    fn flags(request: Option<Request>) -> Option<String> {
        match request? {
            Request::Meta(meta) => Some(String::from_utf8(meta.flags.to_vec()).unwrap()),
            _ => None,
        }
    }

    fn said(status: MetaStatus, value: &'static str) -> Reply {
        Reply::Meta(MetaReply { status, flags: Bytes::new(), value: Bytes::from_static(value.as_bytes()) })
    }

    #[test]
    fn what_changes_an_item_insists_on_the_one_that_was_seen() {
        for (request, told) in [
            (store(StoreMode::Replace), Some("C7 F5 T60")),
            (store(StoreMode::Append), Some("C7 F5 T60 MA")),
            (store(StoreMode::Prepend), Some("C7 F5 T60 MP")),
            (store(StoreMode::Add), None),
            (store(StoreMode::Cas(3)), None),
            (Request::Arithmetic(Box::new(Arithmetic { key: key(), decrement: true, delta: 3 })), Some("C7 MD D3 v")),
            (Request::Touch { key: key(), expiry: Expiry(-1) }, Some("T-1 s t c")),
            (meta(MetaVerb::Set, "MR T5 O1"), Some("MR T5 O1 C7")),
            (meta(MetaVerb::Delete, "I T30"), Some("I T30 C7")),
            (meta(MetaVerb::Arithmetic, ""), Some("C7")),
            (meta(MetaVerb::Set, "C9"), None),
            (meta(MetaVerb::Set, "ME"), None),
            (meta(MetaVerb::Get, "T9"), None),
        ] {
            assert_eq!(flags(guarded(&request, 7)).as_deref(), told, "{request:?}");
        }
        assert_eq!(flags(add(&store(StoreMode::Add), 7)).as_deref(), Some("C7 F5 T60"));
        assert_eq!(flags(add(&meta(MetaVerb::Set, "k ME T5"), 7)).as_deref(), Some("k T5 C7"));
        assert_eq!(add(&meta(MetaVerb::Set, "MA T5"), 7), None);
    }

    #[test]
    fn answers_come_back_in_the_clients_words() {
        let count = Request::Arithmetic(Box::new(Arithmetic { key: key(), decrement: true, delta: 3 }));
        let touch = Request::Touch { key: key(), expiry: Expiry(1) };
        for (request, reply, heard) in [
            (store(StoreMode::Append), said(MetaStatus::Done, ""), Some(Reply::Stored)),
            (store(StoreMode::Append), said(MetaStatus::NotStored, ""), Some(Reply::NotStored)),
            (store(StoreMode::Replace), said(MetaStatus::NotFound, ""), Some(Reply::NotStored)),
            (store(StoreMode::Replace), said(MetaStatus::Exists, ""), None),
            (store(StoreMode::Add), said(MetaStatus::NotFound, ""), None),
            (count.clone(), said(MetaStatus::Value, "12 "), Some(Reply::Number(12))),
            (count, said(MetaStatus::NotFound, ""), Some(Reply::NotFound)),
            (touch.clone(), said(MetaStatus::Done, ""), Some(Reply::Touched)),
            (touch, said(MetaStatus::Miss, ""), Some(Reply::NotFound)),
            (meta(MetaVerb::Set, "MR"), said(MetaStatus::NotFound, ""), Some(said(MetaStatus::NotStored, ""))),
            (meta(MetaVerb::Delete, "I"), said(MetaStatus::NotFound, ""), Some(said(MetaStatus::NotFound, ""))),
        ] {
            assert_eq!(answer(&request, reply), heard, "{request:?}");
        }
        assert_eq!(deleted(Reply::NotFound), Reply::Deleted);
        assert_eq!(deleted(said(MetaStatus::NotFound, "")), said(MetaStatus::Done, ""));
    }
}
