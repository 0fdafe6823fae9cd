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

/// The first question, and the second where the first won what was not wanted.
const LOOK: u64 = 0;
const AGAIN: u64 = 1;

/// Asks for the item with these flags of `mg`; `reply_to` gets the reply to that, without `W`.
pub(super) fn look(caller: &Caller, key: &Key, flags: &str, reply_to: ReplyTo) {
    let looker = Looker { view: caller.view.clone(), key: key.clone(), reply_to: RefCell::new(Some(reply_to)) };
    let request = command(MetaVerb::Get, key, flags, Bytes::new());
    caller.view.dispatch(request, ReplyTo::new(Rc::new(looker), LOOK).by(caller.listener));
}

/// Lets somebody else win the right to recache the item that has this token.
pub(super) fn give_back(view: &View, key: &Key, cas: u64, listener: u8) {
    let request = command(MetaVerb::Delete, key, &format!("I C{cas}"), Bytes::new());
    view.dispatch(request, ReplyTo::new(Rc::new(Nobody), 0).by(listener));
}

/// Hears the answer even if whoever asked is gone: the right must not go with him.
struct Looker {
    view: Rc<View>,
    key: Key,
    reply_to: RefCell<Option<ReplyTo>>,
}

impl Receive for Looker {
    fn receive(&self, tag: u64, reply: Reply) {
        let Some(reply_to) = self.reply_to.take() else { return };
        match reply {
            Reply::Meta(reply) if tag == LOOK && reply.has(b'W') => self.again(&reply, reply_to),
            Reply::Items(items) => reply_to.answer(Reply::Meta(told(items.into_iter().flatten().next()))),
            reply => reply_to.answer(reply),
        }
    }
}

impl Looker {
    fn again(&self, reply: &MetaReply, reply_to: ReplyTo) {
        let listener = reply_to.listener();
        give_back(&self.view, &self.key, About::read(reply).cas, listener);
        if !self.key.is_text() {
            // `gets` has no word for such a key: it is told without a token, since that is another now.
            return reply_to.answer(Reply::Meta(without_token(reply)));
        }
        let again = Self { view: self.view.clone(), key: self.key.clone(), reply_to: RefCell::new(Some(reply_to)) };
        let request = Request::Read(Read { keys: Keys::One(self.key.clone()), cas: true, touch: None });
        self.view.dispatch(request, ReplyTo::new(Rc::new(again), AGAIN).by(listener));
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
