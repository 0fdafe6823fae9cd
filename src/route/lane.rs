//! One worker's way into a pool: from a request to the link of its owner.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::broadcast::Broadcast;
use super::calls::{Calls, Way};
use super::gather::Gather;
use super::handover::{Detours, Window};
use super::pool::{Pool, Seat};
use crate::backend::{Link, Node};
use crate::memory::{Charge, Memory};
use crate::metrics::Hub;
use crate::model::{Expiry, FailureKind, Key, Keys, Read, ReplyTo, Request};

/// The connections of a worker to a pool's nodes, and what it has asked of them. Belongs to its thread.
pub struct Lane {
    pool: Arc<Pool>,
    links: Vec<Rc<Link>>,
    calls: Rc<Calls>,
    memory: Rc<Memory>,
    /// While keys are handed over from another ring.
    detours: Option<Rc<Detours>>,
}

/// The keys of a multi-get that one node is asked for, and where each stands in the client's list.
struct Part {
    /// Of the first of them; only the hashes differ.
    seat: Seat,
    keys: Vec<Key>,
    positions: Vec<u32>,
}

impl Lane {
    /// Opens a link to every node, or takes over the one that `earlier` has to the same node, and its open calls. With a
    /// `window`, also to the nodes that have left the pool.
    #[must_use]
    pub fn open(
        pool: Arc<Pool>,
        window: Option<&Arc<Window>>,
        (hub, worker): (&Hub, usize),
        memory: &Rc<Memory>,
        earlier: Option<&Self>,
    ) -> Self {
        let former = |lane: &Self| lane.detours.iter().flat_map(|detours| detours.links().to_vec()).collect::<Vec<_>>();
        let known: Vec<_> =
            earlier.into_iter().flat_map(|lane| lane.links.iter().cloned().chain(former(lane))).collect();
        let same = |node: &Arc<Node>| known.iter().find(|link| Arc::ptr_eq(link.node(), node)).cloned();
        let kept = |node: &Arc<Node>| same(node).filter(|link| link.adopt());
        let cells = |node: &Arc<Node>| hub.link(pool.name(), &node.name, worker);
        let open = |node: &Arc<Node>| Rc::new(Link::open(node.clone(), cells(node), memory));
        let link = |node: &Arc<Node>| kept(node).unwrap_or_else(|| open(node));
        let links: Vec<_> = pool.nodes().iter().map(link).collect();
        let calls = match earlier {
            Some(earlier) => earlier.calls.clone(),
            None => Calls::new(hub.pool(pool.name(), worker)),
        };
        calls.adopt(pool.policy());
        let lane = Self { pool: pool.clone(), links, calls, memory: memory.clone(), detours: None };
        let Some(window) = window else { return lane };
        let former = window.nodes().map(|(node, stays)| stays.map_or_else(|| link(node), |at| lane.links[at].clone()));
        let former = former.collect();
        let (links, calls, memory) = (lane.links.clone(), lane.calls.clone(), memory.clone());
        let detours = Detours::new(window.clone(), lane, former, hub.pool(pool.name(), worker));
        Self { pool, links, calls, memory, detours: Some(detours) }
    }

    /// The pool at the other end.
    #[must_use]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Sends `request` to the owner of its key, or of each of its keys. It is answered exactly once.
    #[inline]
    pub fn dispatch(&self, request: Rc<Request>, reply_to: ReplyTo) {
        let (request, reply_to) = match &self.detours {
            None => (request, reply_to),
            Some(detours) => match detours.divert(request, reply_to) {
                Some(ordinary) => ordinary,
                None => return,
            },
        };
        match &*request {
            Request::Read(Read { keys: Keys::Many(keys), cas, touch }) => {
                self.read_many(&request, keys, *cas, *touch, reply_to);
            }
            Request::FlushAll { delay } => self.flush(*delay, &Broadcast::new(self.width(), reply_to)),
            _ => {
                let Some(key) = request.keys().first() else { return };
                let seat = self.pool.seat(key);
                let seat = if seat.node == Ok(seat.owner) { seat } else { self.note(seat, &request) };
                self.send(seat, request, reply_to);
            }
        }
    }

    /// A write that goes to a stand-in is noted for those who would have had it.
    pub(super) fn note(&self, seat: Seat, request: &Request) -> Seat {
        match request.keys().first() {
            Some(key) if seat.node.is_ok() && seat.node != Ok(seat.owner) && !request.is_idempotent() => {
                Seat { node: self.pool.note_write(seat.hash, key).ok_or(FailureKind::Ejected), ..seat }
            }
            _ => seat,
        }
    }

    /// Sends a `flush_all` to every node; `broadcast` hears each of them.
    pub fn flush(&self, delay: Option<Expiry>, broadcast: &Rc<Broadcast>) {
        if let Some(detours) = &self.detours {
            return detours.flush(delay, broadcast);
        }
        for owner in 0..self.links.len() {
            if !self.pool.nodes()[owner].dialect.may_flush() {
                // It refuses, and forgets nothing either when it comes back.
                let seat = Seat { hash: 0, owner, node: Ok(owner) };
                self.send(seat, Rc::new(Request::FlushAll { delay }), broadcast.part());
                continue;
            }
            // A node that is out is flushed before it is let in again; that it was not now is told all the same.
            let _ = self.pool.nodes()[owner].note_write(None);
            let seat = Seat { hash: 0, owner, node: Ok(owner) };
            self.send(seat, Rc::new(Request::FlushAll { delay }), broadcast.part());
        }
    }

    /// How many nodes a `flush_all` reaches.
    #[must_use]
    pub fn width(&self) -> usize {
        self.detours.as_ref().map_or(self.links.len(), |detours| detours.width())
    }

    /// What the worker's buffers may hold.
    pub(super) fn memory(&self) -> &Rc<Memory> {
        &self.memory
    }

    /// What it has asked and not heard.
    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The link to the node of a seat.
    pub(super) fn link(&self, seat: Seat) -> Result<&Rc<Link>, FailureKind> {
        seat.node.map(|node| &self.links[node])
    }

    /// Sends what came at `since`, and has waited elsewhere.
    pub(super) fn send_since(&self, seat: Seat, request: Rc<Request>, reply_to: ReplyTo, since: Instant) {
        self.calls.open(Way { link: self.link(seat), hash: seat.hash }, request, reply_to, Some(since));
    }

    #[inline]
    pub(super) fn send(&self, seat: Seat, request: Rc<Request>, reply_to: ReplyTo) {
        self.calls.open(Way { link: self.link(seat), hash: seat.hash }, request, reply_to, None);
    }

    fn read_many(&self, request: &Rc<Request>, keys: &[Key], cas: bool, touch: Option<Expiry>, reply_to: ReplyTo) {
        let mut parts = self.split(keys);
        if let [part] = parts.as_slice() {
            return self.send(part.seat, request.clone(), reply_to);
        }
        let positions = parts.iter_mut().map(|part| std::mem::take(&mut part.positions)).collect();
        let gather = Gather::new(keys.len(), positions, Charge::new(&self.memory), reply_to);
        for (index, mut part) in parts.into_iter().enumerate() {
            let keys = match part.keys.len() {
                1 => Keys::One(part.keys.remove(0)),
                _ => Keys::Many(part.keys.into()),
            };
            self.send(part.seat, Rc::new(Request::Read(Read { keys, cas, touch })), gather.part(index));
        }
    }

    /// The keys by owner, each owner's in the client's order.
    fn split(&self, keys: &[Key]) -> SmallVec<[Part; 8]> {
        let mut parts = SmallVec::<[Part; 8]>::new();
        let apart = self.pool.is_cluster();
        for (position, key) in (0..).zip(keys) {
            let seat = self.pool.seat(key);
            let part = match parts.iter_mut().find(|part| !apart && part.seat.node == seat.node) {
                Some(part) => part,
                None => {
                    parts.push(Part { seat, keys: Vec::new(), positions: Vec::new() });
                    let last = parts.len() - 1;
                    &mut parts[last]
                }
            };
            part.keys.push(key.clone());
            part.positions.push(position);
        }
        parts
    }
}
