//! The addresses that are listened on, while the list of them changes.

use std::io;

use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::Listener;
use super::cannot_listen::CannotListen;
use crate::model::Endpoint;

/// What an address is listened on for.
pub trait Purpose: Copy + PartialEq {
    /// The field of the configuration that has its addresses.
    fn field(self) -> &'static str;
}

/// Where to listen, and for what.
pub type Address<P> = (P, Endpoint);

type Start<P> = Box<dyn Fn(P, Listener, Receiver<()>) -> JoinHandle<()>>;

/// Every listener of the process, by the address that was typed.
pub struct Doors<P> {
    start: Start<P>,
    open: Vec<Door<P>>,
}

/// One address, and what accepts on it.
struct Door<P> {
    address: Address<P>,
    /// Where it really listens: more than one where a name has several addresses.
    bound: Vec<Endpoint>,
    acceptors: Vec<(Sender<()>, JoinHandle<()>)>,
}

/// Listeners that are bound and not accepted on yet; dropping them closes them again.
pub struct Opening<P> {
    wanted: Vec<Address<P>>,
    listeners: Vec<(Address<P>, Vec<Listener>)>,
}

impl<P: Purpose> Doors<P> {
    /// No door yet; `start` starts a task that accepts on a listener until the other end of the receiver is dropped,
    /// and then whoever waits already.
    #[must_use]
    pub fn new(start: impl Fn(P, Listener, Receiver<()>) -> JoinHandle<()> + 'static) -> Self {
        Self { start: Box::new(start), open: Vec::new() }
    }

    /// Listens wherever `wanted` says and nobody listens yet. Doors that stay are not touched.
    ///
    /// Where a new address is taken and doors are to close (`0.0.0.0:11211` instead of `127.0.0.1:11211`), these are
    /// closed first, and opened again if it was not for them.
    ///
    /// # Errors
    /// [`CannotListen`] for the first address that cannot be had; all doors are as they were.
    pub async fn prepare(&mut self, wanted: &[Address<P>]) -> Result<Opening<P>, CannotListen> {
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
                    return Err(CannotListen { endpoint: address.1, field: address.0.field(), error });
                }
            }
        }
        Ok(opening)
    }

    /// Accepts on what was prepared, closes what nobody wants any more, and waits until that is closed; its clients stay.
    pub async fn commit(&mut self, opening: Opening<P>) {
        let (_, leaving) = self.compare(&opening.wanted);
        let ending = self.close(&leaving);
        for (address, listeners) in opening.listeners {
            self.accept(address, listeners);
        }
        ended(ending).await;
    }

    /// Where it listens for this purpose, with the ports that the kernel gave where 0 was asked for.
    pub fn endpoints(&self, purpose: P) -> impl Iterator<Item = &Endpoint> {
        self.open.iter().filter(move |door| door.address.0 == purpose).flat_map(|door| &door.bound)
    }

    /// Closes all doors of these purposes, and waits until they are.
    pub async fn shut(&mut self, is_meant: impl Fn(P) -> bool) {
        let doors = self.open.extract_if(.., |door| is_meant(door.address.0));
        ended(doors.flat_map(|door| door.acceptors).map(|(_, acceptor)| acceptor).collect()).await;
    }

    /// What of `wanted` is not open, and what is open and not wanted. Port 0 may be wanted several times.
    fn compare(&self, wanted: &[Address<P>]) -> (Vec<Address<P>>, Vec<Address<P>>) {
        let mut leaving: Vec<Address<P>> = self.open.iter().map(|door| door.address.clone()).collect();
        let mut missing = Vec::new();
        for address in wanted {
            match leaving.iter().position(|open| open == address) {
                Some(at) => drop(leaving.remove(at)),
                None => missing.push(address.clone()),
            }
        }
        (missing, leaving)
    }

    async fn bind_in_place(&mut self, endpoint: &Endpoint, leaving: &[Address<P>]) -> io::Result<Vec<Listener>> {
        ended(self.close(leaving)).await;
        Listener::bind(endpoint).await
    }

    /// Opens again what was closed to no purpose.
    async fn reopen(&mut self, leaving: Vec<Address<P>>) {
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

    fn close(&mut self, leaving: &[Address<P>]) -> Vec<JoinHandle<()>> {
        let mut ending = Vec::new();
        for address in leaving {
            let Some(at) = self.open.iter().position(|door| door.address == *address) else { continue };
            ending.extend(self.open.remove(at).acceptors.into_iter().map(|(_, acceptor)| acceptor));
        }
        ending
    }

    fn accept(&mut self, address: Address<P>, listeners: Vec<Listener>) {
        let bound = listeners.iter().filter_map(|listener| listener.endpoint().ok()).collect();
        let acceptors = listeners.into_iter().map(|listener| {
            let (stop, stopped) = channel();
            (stop, (self.start)(address.0, listener, stopped))
        });
        let acceptors = acceptors.collect();
        self.open.push(Door { address, bound, acceptors });
    }
}

/// Waits until these have closed their addresses.
async fn ended(acceptors: Vec<JoinHandle<()>>) {
    for acceptor in acceptors {
        let _ = acceptor.await; // it has nothing to say
    }
}
