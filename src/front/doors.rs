//! The addresses that are listened on, while the list of them changes.

use std::io;

use tokio::sync::oneshot::{Sender, channel};
use tokio::task::JoinHandle;

use super::acceptor::Acceptor;
use super::worker::Post;
use crate::metrics::Hub;
use crate::model::Endpoint;
use crate::net::Listener;
use crate::topology::Current;

/// Every listener of the process, by the address that was typed.
pub struct Doors {
    workers: Vec<Post>,
    current: Current,
    hub: Hub,
    open: Vec<Door>,
}

/// One address, and what accepts on it.
struct Door {
    endpoint: Endpoint,
    /// Where it really listens: more than one where a name has several addresses.
    bound: Vec<Endpoint>,
    acceptors: Vec<(Sender<()>, JoinHandle<()>)>,
}

/// Listeners that are bound and not accepted on yet; dropping them closes them again.
pub struct Opening {
    wanted: Vec<Endpoint>,
    listeners: Vec<(Endpoint, Vec<Listener>)>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {endpoint}: {error}")]
pub struct CannotListen {
    /// The address.
    pub endpoint: Endpoint,
    /// What the operating system said.
    pub error: io::Error,
}

impl Doors {
    /// No door yet; clients will be handed to `workers`.
    #[must_use]
    pub fn new(workers: Vec<Post>, current: Current, hub: Hub) -> Self {
        Self { workers, current, hub, open: Vec::new() }
    }

    /// Listens wherever `wanted` says and nobody listens yet. Doors that stay are not touched.
    ///
    /// Where a new address is taken and doors are to close (`0.0.0.0:11211` instead of `127.0.0.1:11211`), these are
    /// closed first, and opened again if it was not for them.
    ///
    /// # Errors
    /// [`CannotListen`] for the first address that cannot be had; all doors are as they were.
    pub async fn prepare(&mut self, wanted: &[Endpoint]) -> Result<Opening, CannotListen> {
        let mut opening = Opening { wanted: wanted.to_vec(), listeners: Vec::new() };
        let (missing, leaving) = self.compare(wanted);
        for endpoint in missing {
            let bound = match Listener::bind(&endpoint).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && !leaving.is_empty() => {
                    self.bind_in_place(&endpoint, &leaving).await
                }
                bound => bound,
            };
            match bound {
                Ok(listeners) => opening.listeners.push((endpoint, listeners)),
                Err(error) => {
                    drop(opening);
                    self.reopen(leaving).await;
                    return Err(CannotListen { endpoint, error });
                }
            }
        }
        Ok(opening)
    }

    /// Accepts on what was prepared, and closes what nobody wants any more; its clients stay.
    pub fn commit(&mut self, opening: Opening) {
        let (_, leaving) = self.compare(&opening.wanted);
        self.close(&leaving);
        for (endpoint, listeners) in opening.listeners {
            self.accept(endpoint, listeners);
        }
    }

    /// Where it listens, with the ports that the kernel gave where 0 was asked for.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.open.iter().flat_map(|door| &door.bound)
    }

    /// Closes all doors.
    pub async fn shut(&mut self) {
        for (stop, acceptor) in self.open.drain(..).flat_map(|door| door.acceptors) {
            drop(stop);
            let _ = acceptor.await; // it has nothing to say
        }
    }

    /// What of `wanted` is not open, and what is open and not wanted. Port 0 may be wanted several times.
    fn compare(&self, wanted: &[Endpoint]) -> (Vec<Endpoint>, Vec<Endpoint>) {
        let mut leaving: Vec<Endpoint> = self.open.iter().map(|door| door.endpoint.clone()).collect();
        let mut missing = Vec::new();
        for endpoint in wanted {
            match leaving.iter().position(|open| open == endpoint) {
                Some(at) => drop(leaving.remove(at)),
                None => missing.push(endpoint.clone()),
            }
        }
        (missing, leaving)
    }

    async fn bind_in_place(&mut self, endpoint: &Endpoint, leaving: &[Endpoint]) -> io::Result<Vec<Listener>> {
        for acceptor in self.close(leaving) {
            let _ = acceptor.await; // the address is free when it has ended
        }
        Listener::bind(endpoint).await
    }

    /// Opens again what was closed to no purpose.
    async fn reopen(&mut self, leaving: Vec<Endpoint>) {
        for endpoint in leaving {
            if self.open.iter().any(|door| door.endpoint == endpoint) {
                continue;
            }
            match Listener::bind(&endpoint).await {
                Ok(listeners) => self.accept(endpoint, listeners),
                Err(error) => tracing::error!(%endpoint, %error, "cannot listen again"),
            }
        }
    }

    fn close(&mut self, leaving: &[Endpoint]) -> Vec<JoinHandle<()>> {
        let mut ending = Vec::new();
        for endpoint in leaving {
            let Some(at) = self.open.iter().position(|door| door.endpoint == *endpoint) else { continue };
            ending.extend(self.open.remove(at).acceptors.into_iter().map(|(_, acceptor)| acceptor));
        }
        ending
    }

    fn accept(&mut self, endpoint: Endpoint, listeners: Vec<Listener>) {
        let bound = listeners.iter().filter_map(|listener| listener.endpoint().ok()).collect();
        let acceptors = listeners.into_iter().map(|listener| {
            let (stop, stopped) = channel();
            let acceptor =
                Acceptor::new(listener, self.workers.clone(), self.current.clone(), self.hub.clone()).run(stopped);
            (stop, tokio::spawn(acceptor))
        });
        let acceptors = acceptors.collect();
        self.open.push(Door { endpoint, bound, acceptors });
    }
}
