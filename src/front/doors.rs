//! The addresses that are listened on, while the list of them changes.

use std::io;

use tokio::sync::oneshot::{Sender, channel};
use tokio::task::JoinHandle;

use super::acceptor::{Acceptor, Speech};
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

/// Where to listen, and for what.
pub type Address = (Speech, Endpoint);

/// One address, and what accepts on it.
struct Door {
    address: Address,
    /// Where it really listens: more than one where a name has several addresses.
    bound: Vec<Endpoint>,
    acceptors: Vec<(Sender<()>, JoinHandle<()>)>,
}

/// Listeners that are bound and not accepted on yet; dropping them closes them again.
pub struct Opening {
    wanted: Vec<Address>,
    listeners: Vec<(Address, Vec<Listener>)>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {} ({}): {error}", address.1, address.0.field())]
pub struct CannotListen {
    /// The address.
    pub address: Address,
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
    pub async fn prepare(&mut self, wanted: &[Address]) -> Result<Opening, CannotListen> {
        let mut opening = Opening { wanted: wanted.to_vec(), listeners: Vec::new() };
        let (missing, leaving) = self.compare(wanted);
        for address in missing {
            let bound = match Listener::bind(&address.1).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && !leaving.is_empty() => {
                    self.bind_in_place(&address.1, &leaving).await
                }
                bound => bound,
            };
            match bound {
                Ok(listeners) => opening.listeners.push((address, listeners)),
                Err(error) => {
                    drop(opening);
                    self.reopen(leaving).await;
                    return Err(CannotListen { address, error });
                }
            }
        }
        Ok(opening)
    }

    /// Accepts on what was prepared, and closes what nobody wants any more; its clients stay.
    pub fn commit(&mut self, opening: Opening) {
        let (_, leaving) = self.compare(&opening.wanted);
        self.close(&leaving);
        for (address, listeners) in opening.listeners {
            self.accept(address, listeners);
        }
    }

    /// Where it listens for those who speak so, with the ports that the kernel gave where 0 was asked for.
    pub fn endpoints(&self, speech: Speech) -> impl Iterator<Item = &Endpoint> {
        self.open.iter().filter(move |door| door.address.0 == speech).flat_map(|door| &door.bound)
    }

    /// Closes all doors.
    pub async fn shut(&mut self) {
        for (stop, acceptor) in self.open.drain(..).flat_map(|door| door.acceptors) {
            drop(stop);
            let _ = acceptor.await; // it has nothing to say
        }
    }

    /// What of `wanted` is not open, and what is open and not wanted. Port 0 may be wanted several times.
    fn compare(&self, wanted: &[Address]) -> (Vec<Address>, Vec<Address>) {
        let mut leaving: Vec<Address> = self.open.iter().map(|door| door.address.clone()).collect();
        let mut missing = Vec::new();
        for address in wanted {
            match leaving.iter().position(|open| open == address) {
                Some(at) => drop(leaving.remove(at)),
                None => missing.push(address.clone()),
            }
        }
        (missing, leaving)
    }

    async fn bind_in_place(&mut self, endpoint: &Endpoint, leaving: &[Address]) -> io::Result<Vec<Listener>> {
        for acceptor in self.close(leaving) {
            let _ = acceptor.await; // the address is free when it has ended
        }
        Listener::bind(endpoint).await
    }

    /// Opens again what was closed to no purpose.
    async fn reopen(&mut self, leaving: Vec<Address>) {
        for address in leaving {
            if self.open.iter().any(|door| door.address == address) {
                continue;
            }
            match Listener::bind(&address.1).await {
                Ok(listeners) => self.accept(address, listeners),
                Err(error) => tracing::error!(endpoint = %address.1, %error, "cannot listen again"),
            }
        }
    }

    fn close(&mut self, leaving: &[Address]) -> Vec<JoinHandle<()>> {
        let mut ending = Vec::new();
        for address in leaving {
            let Some(at) = self.open.iter().position(|door| door.address == *address) else { continue };
            ending.extend(self.open.remove(at).acceptors.into_iter().map(|(_, acceptor)| acceptor));
        }
        ending
    }

    fn accept(&mut self, address: Address, listeners: Vec<Listener>) {
        let bound = listeners.iter().filter_map(|listener| listener.endpoint().ok()).collect();
        let acceptors = listeners.into_iter().map(|listener| {
            let (stop, stopped) = channel();
            let (workers, current, hub) = (self.workers.clone(), self.current.clone(), self.hub.clone());
            (stop, tokio::spawn(Acceptor::new(listener, address.0, workers, current, hub).run(stopped)))
        });
        let acceptors = acceptors.collect();
        self.open.push(Door { address, bound, acceptors });
    }
}
