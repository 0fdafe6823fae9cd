//! The sockets of a worker's memcached clients, in one set of the kernel's.
//!
//! tokio sees the set as one descriptor, and wakes one task for all clients that have said something: that task runs their
//! sessions one behind the other. A client has a task of its own too, for what comes seldom: its time limits, its turn to
//! have a large value read, its end.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token};
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::{unconstrained, yield_now};

use super::outlet::Outlet;
use super::session::Session;
use super::worker::Station;

/// So many clients are heard before the others have their turn.
const TURN: usize = 512;

/// The set.
pub(super) struct Sockets {
    registry: Registry,
    sessions: RefCell<Slab<Rc<RefCell<Session>>>>,
}

impl Sockets {
    /// An empty set, and what [`Self::serve`] hears it by.
    pub(super) fn new() -> io::Result<(Self, Poll)> {
        let set = Poll::new()?;
        let registry = set.registry().try_clone()?;
        Ok((Self { registry, sessions: RefCell::default() }, set))
    }

    /// From now on `session` is run when the socket of its `outlet` has news; its number here.
    pub(super) fn add(&self, session: Rc<RefCell<Session>>, outlet: &Outlet) -> io::Result<usize> {
        let mut sessions = self.sessions.borrow_mut();
        let place = sessions.vacant_entry();
        let number = place.key();
        outlet.register(&self.registry, Token(number))?;
        place.insert(session);
        Ok(number)
    }

    /// The session has ended: its number is for another.
    pub(super) fn remove(&self, number: usize) {
        self.sessions.borrow_mut().remove(number);
    }

    /// Runs the sessions of the clients that have said something. Runs until it is dropped.
    pub(super) async fn serve(station: Rc<Station>, set: Poll) {
        // What the clients do is no work of this task's, which should give way for it.
        if let Err(error) = unconstrained(station.sockets.listen(set)).await {
            tracing::error!(worker = station.index, %error, "hears its clients no more");
        }
    }

    async fn listen(&self, set: Poll) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "what replaces it is unsafe; a `Poll` owns its descriptor, and it is always the same"
        )]
        let mut set = AsyncFd::with_interest(set, Interest::READABLE)?;
        let mut events = Events::with_capacity(TURN);
        loop {
            let mut ready = set.readable_mut().await?;
            match ready.get_inner_mut().poll(&mut events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            if self.hear(&events) < TURN {
                ready.clear_ready();
            } else {
                yield_now().await; // there may be more, but it is the others' turn
            }
        }
    }

    /// Runs the sessions of these; how many events there were.
    fn hear(&self, events: &Events) -> usize {
        let mut count = 0;
        for event in events {
            count += 1;
            let session = self.sessions.borrow().get(event.token().0).cloned();
            if let Some(session) = session {
                session.borrow_mut().hear(event);
            }
        }
        count
    }
}
