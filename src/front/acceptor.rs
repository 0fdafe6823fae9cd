//! Takes clients and hands each to the worker that has the fewest.

use std::time::Duration;

use crate::metrics::Hub;
use crate::net::{Accepted, Listener};

use super::worker::Post;

/// What memcached says to a client over the limit.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// How long to wait when the process has no descriptor left for a client.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts for one listener. The kernel's own balancing (`SO_REUSEPORT`) leaves workers idle when connections
/// are few and live long.
pub struct Acceptor {
    listener: Listener,
    workers: Vec<Post>,
    connections: u64,
    hub: Hub,
}

impl Acceptor {
    /// An acceptor that lets in up to `connections` clients, over all listeners.
    #[must_use]
    pub fn new(listener: Listener, workers: Vec<Post>, connections: usize, hub: Hub) -> Self {
        Self { listener, workers, connections: connections as u64, hub }
    }

    /// Accepts for ever. Cancel safe: a client is either handed over or still in the kernel's queue.
    pub async fn run(self) {
        let mut in_trouble = false;
        loop {
            match self.listener.accept().await {
                Ok(client) => {
                    in_trouble = false;
                    self.place(client);
                }
                Err(error) => {
                    if !std::mem::replace(&mut in_trouble, true) {
                        tracing::warn!(%error, "cannot accept clients");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn place(&self, client: Accepted) {
        let clients: u64 = self.workers.iter().map(Post::clients).sum();
        if clients >= self.connections {
            self.hub.refused().raise();
            return client.dismiss(TOO_MANY);
        }
        self.hub.accepted().raise();
        if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.clients()) {
            worker.client(client);
        }
    }
}
