//! One worker's way to a Redis Cluster, by the `redis` crate.
//!
//! The crate keeps the slot map and a connection to each server, on which requests are pipelined. It sends nothing
//! again by itself here (`retries(0)`): by its own rules it would send a write twice whose connection broke. What may
//! be sent again is decided in `insist`: a server that sends elsewhere (`MOVED`, `ASK`) or says "later" has
//! carried nothing out; after a broken connection only what is idempotent is asked once more.
//!
//! Requests have one key: a get of several is taken apart above, and its parts meet again in the pipeline of each
//! server, since Redis refuses an `MGET` whose keys are in several slots.

mod insist;
mod reach;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use redis::Cmd;
use redis::cluster_async::ClusterConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::connection::has_room;
use super::node::{Node, Seeds};
use crate::memory::Charge;
use crate::metrics::{Command, LinkCells, Took};
use crate::model::{Failure, FailureKind, Reply, ReplyTo, Request, Sent};
use crate::wire::Outbox;
use crate::wire::resp;
use insist::insist;

/// A worker's connections to a cluster. Belongs to the thread that made it.
pub(super) struct Cluster {
    node: Arc<Node>,
    seeds: Seeds,
    cells: LinkCells,
    charge: Charge,
    /// Cheap to clone; `None` until the first seed has answered.
    connection: RefCell<Option<ClusterConnection>>,
    /// What the cluster says instead of letting ketch in.
    denied: RefCell<Option<Bytes>>,
    connected: Notify,
    under_way: Cell<usize>,
    departures: Cell<u64>,
}

impl Cluster {
    /// Begins to connect, in a task of the running worker.
    pub(super) fn open(node: Arc<Node>, seeds: Seeds, cells: LinkCells, charge: Charge) -> Rc<Self> {
        let cluster = Rc::new(Self {
            node,
            seeds,
            cells,
            charge,
            connection: RefCell::default(),
            denied: RefCell::default(),
            connected: Notify::new(),
            under_way: Cell::new(0),
            departures: Cell::new(0),
        });
        tokio::task::spawn_local(reach::connect(Rc::downgrade(&cluster)));
        cluster
    }

    /// See [`super::Link::departures`].
    pub(super) fn departures(&self) -> u64 {
        self.departures.get()
    }

    /// Asks the server of the request's key; a flush, every primary.
    pub(super) fn ask(self: &Rc<Self>, request: Rc<Request>, reply_to: ReplyTo, since: Option<Instant>) {
        let settings = self.node.settings();
        if let Some(line) = self.node.dialect.refusal(&request, &self.node.pool) {
            return reply_to.answer(Reply::Refused(line));
        }
        let weight = request.weight();
        let refusal = match () {
            () if self.under_way.get() >= settings.max_inflight => Some(FailureKind::Overloaded),
            () if !has_room(&self.charge, &request) => Some(FailureKind::Memory),
            () => None,
        };
        if let Some(kind) = refusal {
            return self.answer(Reply::never_sent(kind), reply_to);
        }
        self.shift(self.under_way.get() + 1);
        let deadline = since.unwrap_or_else(Instant::now) + settings.request_timeout;
        let cluster = self.clone();
        tokio::task::spawn_local(async move {
            cluster.departures.set(cluster.departures.get() + 1);
            let (sent, asked) = (Cell::new(Sent::Never), Instant::now());
            let reply = match timeout_at(deadline, cluster.carry_out(&request, &sent)).await {
                Ok(reply) => reply,
                Err(_) => cluster.late(sent.get()),
            };
            cluster.shift(cluster.under_way.get() - 1);
            cluster.charge.give_back(weight);
            cluster.cells.took(Command::of(&request), Took::new(asked.elapsed()));
            cluster.answer(reply, reply_to);
        });
    }

    fn answer(&self, reply: Reply, reply_to: ReplyTo) {
        self.cells.node.count(&reply);
        reply_to.answer(reply);
    }

    /// So many requests are under way now.
    fn shift(&self, now: usize) {
        let before = self.under_way.replace(now);
        self.cells.node.inflight.shift(before as u64, now as u64);
    }

    fn late(&self, sent: Sent) -> Reply {
        match (&*self.denied.borrow(), sent) {
            (Some(line), Sent::Never) => Reply::Refused(line.clone()),
            (None, Sent::Never) => Reply::never_sent(FailureKind::Unreachable),
            (_, Sent::Maybe) => Reply::Failed(Failure { kind: FailureKind::Timeout, sent }),
        }
    }

    async fn carry_out(&self, request: &Request, sent: &Cell<Sent>) -> Reply {
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(line) => return Reply::Refused(line),
        };
        for whole in [false, true] {
            let heard = match insist(&connection, request, &self.commands(request, whole), sent).await {
                Ok(heard) => heard,
                Err(failure) => return Reply::Failed(failure),
            };
            match resp::ReplyDecoder::compose(request, heard, self.node.settings().value_size) {
                Ok((_, true)) if !whole => {}
                Ok((reply, _)) => return reply,
                Err(_) => break,
            }
        }
        Reply::maybe_sent(FailureKind::Garbage)
    }

    /// Waits for the first connection, or for the words of a cluster that does not let ketch in.
    async fn connection(&self) -> Result<ClusterConnection, Bytes> {
        loop {
            let connected = self.connected.notified();
            if let Some(connection) = &*self.connection.borrow() {
                return Ok(connection.clone());
            }
            if let Some(line) = &*self.denied.borrow() {
                return Err(line.clone());
            }
            connected.await;
        }
    }

    fn is_connected(&self) -> bool {
        self.connection.borrow().is_some()
    }

    fn commands(&self, request: &Request, whole: bool) -> Vec<Cmd> {
        let value_size = self.node.settings().value_size;
        let mut out = Outbox::new();
        self.node.dialect.encode(request, value_size, whole, &mut out);
        let command = |words: Vec<Bytes>| {
            let mut command = Cmd::new();
            for word in &words {
                command.arg(&word[..]);
            }
            command
        };
        resp::words_of(out.copy_to_bytes(out.remaining())).into_iter().map(command).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.is_connected() {
            self.cells.node.connections.shift(1, 0);
        }
    }
}
