//! Tells the placeholder of a lease from an empty value, for clients that asked in words which do not show it.
//!
//! In a pool that hands over, also while this ketch has no window open: another may have one.

use std::cell::RefCell;
use std::rc::Rc;

use super::sight::{self, Sight};
use crate::backend::Dialect;
use crate::model::{Item, Items, MetaVerb, Receive, Reply, ReplyTo, Request};
use crate::route::calls::{Call, Calls};

/// A read whose empty values are looked at again.
pub(in crate::route) struct Unveil {
    calls: Rc<Calls>,
    /// Whether tokens are wanted.
    cas: bool,
    state: RefCell<State>,
}

struct State {
    call: Option<Call>,
    items: Items,
    missing: usize,
}

/// Whether something in the answer may be a placeholder.
pub(in crate::route) fn bare(call: &Call, reply: &Reply) -> bool {
    let is_memcached = call.link.as_ref().is_ok_and(|link| link.node().dialect == Dialect::Memcached);
    match (call.question.as_deref(), reply) {
        (Some(Request::Read(_)), Reply::Items(items)) => is_memcached && items.iter().flatten().any(is_empty),
        // Who asks for leases knows what `Z` is.
        (Some(Request::Meta(asked)), Reply::Meta(_)) if asked.verb == MetaVerb::Get => {
            !asked.has(b'N') && !asked.has(b'R') && Sight::of(reply).is_some_and(|sight| sight.is_placeholder())
        }
        _ => false,
    }
}

impl Unveil {
    /// Answers `call` once it is known what is behind the empty values of `reply`: a placeholder is a miss.
    pub(in crate::route) fn begin(calls: Rc<Calls>, call: Call, reply: Reply) {
        let (Some(Request::Read(read)), Ok(link), Reply::Items(items)) = (call.question.as_deref(), &call.link, reply)
        else {
            let miss = calls.nothing(call.question.as_deref());
            return calls.deliver(call, miss);
        };
        let empty: Vec<usize> = (0..items.len()).filter(|at| items[*at].as_ref().is_some_and(is_empty)).collect();
        let (keys, link, hash, since, cas) = (read.keys.clone(), link.clone(), call.hash, call.begun, read.cas);
        let state = State { call: Some(call), items, missing: empty.len() };
        let unveil = Rc::new(Self { calls, cas, state: RefCell::new(state) });
        for at in empty {
            let Some(key) = keys.as_slice().get(at) else { continue };
            let reply_to = ReplyTo::new(unveil.clone(), at as u64).by(ReplyTo::NOBODY);
            link.ask(hash, Rc::new(sight::look(key, true)), reply_to, since);
        }
    }
}

impl Receive for Unveil {
    /// What is there now is the answer: the place of a placeholder may have been filled meanwhile.
    fn receive(&self, at: u64, reply: Reply) {
        let mut state = self.state.borrow_mut();
        let seen = Sight::of(&reply).filter(|sight| !sight.is_placeholder());
        let item = seen.map(|seen| Item { flags: seen.flags, cas: self.cas.then_some(seen.token), value: seen.value });
        if let Some(place) = usize::try_from(at).ok().and_then(|at| state.items.get_mut(at)) {
            *place = item;
        }
        state.missing -= 1;
        if state.missing > 0 {
            return;
        }
        let (call, items) = (state.call.take(), std::mem::take(&mut state.items));
        drop(state); // whoever hears the answer may ask again
        if let Some(call) = call {
            self.calls.deliver(call, Reply::Items(items));
        }
    }
}

fn is_empty(item: &Item) -> bool {
    item.value.is_empty()
}
