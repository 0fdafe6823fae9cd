//! One worker's way to one node.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::connection::Connection;
use super::embedded::{Now, Store};
use super::health::Service;
use super::node::{Node, Place, Settings};
use crate::memory::{Charge, Memory};
use crate::metrics::{Command, LinkCells};
use crate::model::{ReplyTo, Request};

/// The connections of a worker to a node, or the store itself. Belongs to the thread that made it.
pub struct Link {
    node: Arc<Node>,
    cells: LinkCells,
    form: Form,
    way: Way,
}

/// What a link cannot change while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    connections: usize,
    value_size: usize,
}

enum Way {
    Store(Arc<Store>),
    Wire(Rc<[Rc<Connection>]>, AbortHandle),
    Cluster(Rc<Cluster>),
}

impl Link {
    /// Begins to connect; requests may be sent at once.
    ///
    /// # Panics
    /// Outside a tokio runtime that runs local tasks.
    #[must_use]
    pub fn open(node: Arc<Node>, cells: LinkCells, memory: &Rc<Memory>) -> Self {
        let form = Form::of(&node.settings());
        let way = match &node.place {
            Place::Embedded(store) => Way::Store(store.clone()),
            Place::Cluster(seeds) => {
                Way::Cluster(Cluster::open(node.clone(), seeds.clone(), cells.clone(), Charge::new(memory)))
            }
            Place::Remote(endpoint) => {
                let open = || Connection::open(node.clone(), endpoint.clone(), cells.clone(), Charge::new(memory));
                let connections: Rc<[_]> = (0..form.connections).map(|_| open()).collect();
                let follower = tokio::task::spawn_local(follow(node.health.changes(), Rc::downgrade(&connections)));
                Way::Wire(connections, follower.abort_handle())
            }
        };
        Self { node, cells, form, way }
    }

    /// Goes on under the settings that its node has now; `false` where that takes a new link.
    #[must_use]
    pub fn adopt(&self) -> bool {
        let settings = self.node.settings();
        match &self.way {
            Way::Store(_) | Way::Cluster(_) => true,
            Way::Wire(..) if self.form != Form::of(&settings) => false,
            Way::Wire(connections, _) => {
                connections.iter().for_each(|connection| connection.adopt(&settings));
                true
            }
        }
    }

    /// The node at the other end.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Sends `request`; its answer goes to `reply_to`, exactly once, perhaps before this returns.
    ///
    /// `hash` chooses among several connections: the same key always takes the same one. `since` is when the request
    /// came, if that was before now.
    #[inline]
    pub fn ask(&self, hash: u64, request: Rc<Request>, reply_to: ReplyTo, since: Option<Instant>) {
        match &self.way {
            Way::Store(store) => {
                reply_to.answer(self.cells.sample(Command::of(&request), || store.carry_out(&request, now())));
            }
            Way::Wire(connections, _) => connections[place(hash, connections.len())].ask(request, reply_to, since),
            Way::Cluster(cluster) => cluster.ask(request, reply_to, since),
        }
    }

    /// How often bytes went out on the connection of `hash`: while it stands still, what was asked is unsent.
    #[inline]
    #[must_use]
    pub fn departures(&self, hash: u64) -> u64 {
        match &self.way {
            Way::Store(_) => 0,
            Way::Wire(connections, _) => connections[place(hash, connections.len())].departures(),
            Way::Cluster(cluster) => cluster.departures(),
        }
    }
}

impl Drop for Link {
    /// Lets what was asked finish, then closes.
    fn drop(&mut self) {
        if let Way::Wire(connections, follower) = &self.way {
            follower.abort();
            connections.iter().for_each(|connection| connection.close());
        }
    }
}

impl Form {
    fn of(settings: &Settings) -> Self {
        Self { connections: settings.connections, value_size: settings.value_size }
    }
}

/// Has the connections follow the node's service, until the link or the node is dropped.
async fn follow(mut changes: watch::Receiver<Service>, connections: Weak<[Rc<Connection>]>) {
    loop {
        let suspended = !changes.borrow_and_update().is_asked();
        let Some(connections) = connections.upgrade() else { return };
        connections.iter().for_each(|connection| connection.suspend(suspended));
        drop(connections);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The high bits choose the connection, since the low ones have chosen the node in some distributions.
fn place(hash: u64, connections: usize) -> usize {
    match connections {
        1 => 0,
        #[allow(clippy::cast_possible_truncation)] // less than `connections`
        _ => ((hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize) % connections,
    }
}

/// The time as embedded stores count it: whole seconds of Unix time.
#[must_use]
pub fn now() -> Now {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    Now(u32::try_from(seconds).unwrap_or(u32::MAX))
}
