//! Takes clients and hands each to the worker that has the fewest.

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::Receiver;

use crate::metrics::{Door, Hub};
use crate::net::{Accepted, Listener};
use crate::topology::Current;

use super::http;
use super::worker::Post;

/// What memcached says to a client over the limit.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// How long to wait when the process has no descriptor left for a client.
const PAUSE: Duration = Duration::from_millis(100);

/// What the clients of a listener speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// memcached's text protocol.
    Memcached,
    /// HTTP/1.1 and h2c.
    Http,
}

impl Speech {
    /// The field of the configuration that lists its addresses.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Memcached => "listeners.memcached",
            Self::Http => "listeners.http",
        }
    }
}

/// Accepts for one listener. The kernel's own balancing (`SO_REUSEPORT`) leaves workers idle when connections
/// are few and live long.
pub struct Acceptor {
    listener: Listener,
    speech: Speech,
    workers: Vec<Post>,
    current: Current,
    hub: Hub,
    door: Arc<Door>,
    in_trouble: bool,
}

impl Acceptor {
    /// An acceptor that lets in up to `limits.connections` clients, over all listeners.
    #[must_use]
    pub fn new(listener: Listener, speech: Speech, workers: Vec<Post>, current: Current, hub: Hub) -> Self {
        let label = listener.endpoint().map(|endpoint| endpoint.to_string());
        let door = hub.door(label.as_deref().unwrap_or("unknown"));
        Self { listener, speech, workers, current, hub, door, in_trouble: false }
    }

    /// Accepts until the other end of `stop` is dropped, and then whoever is in the kernel's queue.
    ///
    /// Cancel safe: a client is either handed over or still in the kernel's queue.
    pub async fn run(mut self, mut stop: Receiver<()>) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => self.take(accepted).await,
                _ = &mut stop => break,
            }
        }
        loop {
            tokio::select! {
                biased;
                Ok(client) = self.listener.accept() => self.place(client),
                () = ready(()) => return,
            }
        }
    }

    async fn take(&mut self, accepted: io::Result<Accepted>) {
        match accepted {
            Ok(client) => {
                self.in_trouble = false;
                self.place(client);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.in_trouble, true) {
                    tracing::warn!(%error, "cannot accept clients");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn place(&self, client: Accepted) {
        let clients: u64 = self.workers.iter().map(Post::clients).sum();
        if clients >= self.current.topology().config().limits.connections as u64 {
            self.hub.refused().raise();
            return client.dismiss(match self.speech {
                Speech::Memcached => TOO_MANY,
                Speech::Http => http::TOO_MANY,
            });
        }
        self.hub.accepted().raise();
        if let Some(worker) = self.workers.iter().min_by_key(|worker| worker.clients()) {
            worker.client(client, self.speech, self.door.clone());
        }
    }
}
