//! A read that takes nothing.
//!
//! memcached gives the first `mg` of a stale item (`md` with `I`) the right to recache it, `W`, and has no form of `mg`
//! that leaves it: those who come behind hear that somebody is at it, and serve what is stale. Whoever reads over HTTP
//! recaches nothing. So the right is given back, by `md` with `I` and the token that was seen, and the item is read
//! again by `gets`, which takes no rights: its token is another now.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;

use super::caller::{Caller, command};
use super::read::About;
use crate::model::{Item, Key, Keys, MetaReply, MetaStatus, MetaVerb, Read, Receive, Reply, ReplyTo, Request};
use crate::topology::View;

/// Asks for the item with these flags of `mg`; `reply_to` gets the reply to that, without `W`.
pub(super) fn look(caller: &Caller, key: &Key, flags: &str, reply_to: ReplyTo) {
    let looker = Looker::new(caller.view.clone(), key.clone(), Stage::First, reply_to);
    caller.view.dispatch(command(MetaVerb::Get, key, flags, Bytes::new()), looker.ask(caller.listener));
}

/// The flags of an `md` that lets somebody else win the right to recache the item that was `seen`.
pub(super) fn give_back(seen: &MetaReply) -> String {
    format!("I C{}", About::read(seen).cas)
}

/// Hears the answer even if whoever asked is gone: the right must not go with him.
struct Looker {
    view: Rc<View>,
    key: Key,
    stage: Stage,
    reply_to: RefCell<Option<ReplyTo>>,
}

/// What was asked last.
enum Stage {
    /// The `mg`.
    First,
    /// The `gets`.
    Again,
    /// The `md`; this is told when it is done.
    GivenBack(MetaReply),
}

impl Receive for Looker {
    fn receive(&self, _: u64, reply: Reply) {
        let Some(reply_to) = self.reply_to.take() else { return };
        match (&self.stage, reply) {
            (Stage::First, Reply::Meta(reply)) if reply.has(b'W') => self.again(&reply, reply_to),
            (Stage::Again, Reply::Items(items)) => {
                reply_to.answer(Reply::Meta(told(items.into_iter().flatten().next())));
            }
            (Stage::GivenBack(kept), _) => reply_to.answer(Reply::Meta(kept.clone())),
            (_, reply) => reply_to.answer(reply),
        }
    }
}

impl Looker {
    fn new(view: Rc<View>, key: Key, stage: Stage, reply_to: ReplyTo) -> Self {
        Self { view, key, stage, reply_to: RefCell::new(Some(reply_to)) }
    }

    fn ask(self, listener: u8) -> ReplyTo {
        ReplyTo::new(Rc::new(self), 0).by(listener)
    }

    fn again(&self, seen: &MetaReply, reply_to: ReplyTo) {
        let listener = reply_to.listener();
        let next = |stage, reply_to| Self::new(self.view.clone(), self.key.clone(), stage, reply_to).ask(listener);
        let give_back = command(MetaVerb::Delete, &self.key, &give_back(seen), Bytes::new());
        if !self.key.is_text() {
            // `gets` has no word for such a key: it is told without a token, since that is another now.
            return self.view.dispatch(give_back, next(Stage::GivenBack(without_token(seen)), reply_to));
        }
        self.view.dispatch(give_back, ReplyTo::new(Rc::new(Nobody), 0).by(listener));
        let read = Read { keys: Keys::One(self.key.clone()), cas: true, touch: None };
        self.view.dispatch(Rc::new(Request::Read(read)), next(Stage::Again, reply_to));
    }
}

/// A stale item, or none any more, as `mg` tells it.
fn told(item: Option<Item>) -> MetaReply {
    let Some(item) = item else {
        return MetaReply { status: MetaStatus::Miss, flags: Bytes::new(), value: Bytes::new() };
    };
    let flags = format!("c{} f{} s{} X", item.cas.unwrap_or_default(), item.flags, item.value.len()).into();
    MetaReply { status: MetaStatus::Value, flags, value: item.value }
}

fn without_token(reply: &MetaReply) -> MetaReply {
    let flags = reply.flags.split(|byte| *byte == b' ').filter(|flag| flag.first() != Some(&b'c') && *flag != b"W");
    MetaReply { flags: flags.collect::<Vec<_>>().join(&b' ').into(), ..reply.clone() }
}

struct Nobody;

impl Receive for Nobody {
    fn receive(&self, _: u64, _: Reply) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_item_is_told_as_such_whichever_way_it_was_read() {
        let value = Bytes::from_static(b"old");
        let item = Item { flags: 5, cas: Some(7), value: value.clone() };
        assert_eq!(About::read(&told(Some(item))), About { cas: 7, flags: 5, size: 3, is_stale: true, ttl: None });
        assert_eq!(told(None).status, MetaStatus::Miss);
        let won = MetaReply { status: MetaStatus::Value, flags: Bytes::from_static(b"b c7 f5 t60 X W"), value };
        assert_eq!(without_token(&won), MetaReply { flags: Bytes::from_static(b"b f5 t60 X"), ..won });
    }
}
