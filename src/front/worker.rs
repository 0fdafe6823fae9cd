//! A worker: one thread with its own clients, its own connections to nodes and its own cells.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use mio::Poll;
use slab::Slab;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::acceptor::Speech;
use super::due::Due;
use super::http;
use super::outlet::Outlet;
use super::session::Session;
use super::sockets::Sockets;
use crate::config::Limits;
use crate::memory::{Charge, Memory};
use crate::metrics::{Door, DoorCells, Hub, WorkerCells};
use crate::net::{Accepted, Socket};
use crate::topology::{Current, Lookout, Place, View};
use crate::wire::{Closing, Inbox};

/// How many tasks run between two looks at the sockets: a turn takes in all that has arrived, so that what it
/// asks of a node leaves in one write.
const TURN: u32 = 512;

/// A running worker.
pub struct Worker {
    post: Post,
    thread: JoinHandle<()>,
}

/// The way to a worker from other threads. Cheap to clone.
#[derive(Clone)]
pub struct Post {
    sender: UnboundedSender<Letter>,
    cells: Arc<WorkerCells>,
}

enum Letter {
    Client(Accepted, Speech, Arc<Door>),
    Look,
    Drain,
}

impl Worker {
    /// Starts the thread of worker `index`.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub fn start(index: usize, current: &Current, hub: &Hub) -> io::Result<Self> {
        let (sender, letters) = unbounded_channel();
        let cells = hub.worker(index);
        let post = Post { sender, cells };
        let (current, hub) = (current.clone(), hub.clone());
        let made = move || -> io::Result<_> {
            let mut builder = Builder::new_current_thread();
            Ok((builder.enable_all().event_interval(TURN).build_local(LocalOptions::default())?, Sockets::new()?))
        };
        let work = move || match made() {
            Ok((runtime, (sockets, set))) => runtime.block_on(async {
                Station::open(index, &current, hub, sockets).work(letters, set).await;
            }),
            Err(error) => tracing::error!(worker = index, %error, "cannot make a runtime"),
        };
        let thread = std::thread::Builder::new().name(format!("ketch-worker-{index}")).spawn(work)?;
        Ok(Self { post, thread })
    }

    /// The way to it.
    #[must_use]
    pub fn post(&self) -> Post {
        self.post.clone()
    }

    /// Whether its thread has ended, as it does after [`Post::drain`].
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

impl Post {
    /// Hands over a client that came in by this door.
    pub fn client(&self, client: Accepted, speech: Speech, door: Arc<Door>) {
        self.cells.clients.raise();
        if self.sender.send(Letter::Client(client, speech, door)).is_err() {
            self.cells.clients.lower();
        }
    }

    /// There is another topology in force: a worker whose clients are silent is to let the last one go.
    pub fn look(&self) {
        // A worker that has ended has let it go.
        let _ = self.sender.send(Letter::Look);
    }

    /// Has every client finish what was accepted, close, and then the thread end.
    pub fn drain(&self) {
        let _ = self.sender.send(Letter::Drain);
    }

    /// How many clients it has.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.cells.clients.value()
    }
}

/// A client's connection, as whoever ends it sees it.
pub(super) trait Close {
    /// Has it finish what it owes and close.
    fn close(&self);

    /// The limits are others: it may hold `share` bytes even when memory is scarce. Whoever looks at the limits with
    /// each request need not be told.
    fn allow(&self, _share: usize) {}
}

/// By which listener a client came in.
pub(super) struct Entrance {
    /// The listener's number, for what is counted by it.
    pub(super) number: u8,
    pub(super) cells: Arc<DoorCells>,
}

/// What the sessions of a worker share.
pub(super) struct Station {
    pub(super) index: usize,
    pub(super) hub: Hub,
    pub(super) cells: Arc<WorkerCells>,
    /// What the sessions read into in turn; between two turns it is empty.
    pub(super) desk: RefCell<Inbox>,
    pub(super) due: Rc<Due>,
    pub(super) sockets: Sockets,
    memory: Rc<Memory>,
    outlook: RefCell<Outlook>,
    sessions: RefCell<Slab<Rc<dyn Close>>>,
    /// Whether a client was told of in the log for speaking the binary protocol.
    told: Cell<bool>,
}

/// The topology in force, and the worker's way into it.
struct Outlook {
    lookout: Lookout,
    view: Rc<View>,
}

impl Station {
    fn open(index: usize, current: &Current, hub: Hub, sockets: Sockets) -> Rc<Self> {
        let cells = hub.worker(index);
        let mut lookout = current.lookout();
        let topology = lookout.topology().clone();
        let memory = Memory::new(topology.config().limits.memory / hub.workers(), cells.clone());
        let view = Rc::new(View::open(topology, &Place { hub: &hub, worker: index, memory: &memory }, None));
        Rc::new(Self {
            index,
            hub,
            cells,
            desk: RefCell::default(),
            due: Rc::default(),
            sockets,
            memory,
            outlook: RefCell::new(Outlook { lookout, view }),
            sessions: RefCell::default(),
            told: Cell::new(false),
        })
    }

    /// The topology that the next request sees.
    #[inline]
    pub(super) fn view(&self) -> Rc<View> {
        let outlook = &mut *self.outlook.borrow_mut();
        if !Arc::ptr_eq(outlook.lookout.topology(), outlook.view.topology()) {
            self.change(outlook);
        }
        outlook.view.clone()
    }

    /// What everything together may use, as the last request saw it.
    #[inline]
    pub(super) fn limits(&self) -> Limits {
        self.outlook.borrow().view.topology().config().limits
    }

    /// What its buffers may hold together.
    pub(super) fn memory(&self) -> &Rc<Memory> {
        &self.memory
    }

    /// Logs, once a worker, what a client has to do to be understood.
    pub(super) fn tell_of(&self, closing: Closing) {
        if closing == Closing::Binary && !self.told.replace(true) {
            tracing::warn!("a client speaks memcached's binary protocol: set it to the text (ASCII) protocol");
        }
    }

    async fn work(self: Rc<Self>, mut letters: UnboundedReceiver<Letter>, set: Poll) {
        tokio::task::spawn_local(Due::serve(self.clone()));
        tokio::task::spawn_local(Sockets::serve(self.clone(), set));
        while let Some(letter) = letters.recv().await {
            match letter {
                Letter::Client(client, speech, door) => self.serve(client, speech, &door),
                Letter::Look => drop(self.view()),
                Letter::Drain => return self.drain().await,
            }
        }
    }

    fn serve(self: &Rc<Self>, client: Accepted, speech: Speech, door: &Door) {
        let entrance = Entrance { number: door.number, cells: door.worker(self.index) };
        let served = match speech {
            Speech::Memcached => self.serve_memcached(client, entrance),
            Speech::Http => self.serve_http(client, entrance),
        };
        if let Err(error) = served {
            self.cells.clients.lower();
            tracing::warn!(%error, "cannot serve a client");
        }
    }

    fn serve_memcached(self: &Rc<Self>, client: Accepted, entrance: Entrance) -> io::Result<()> {
        let (cells, charge) = (entrance.cells.clone(), Charge::new(&self.memory));
        let outlet =
            Outlet::new(Socket::new(client), cells.clone(), self.due.clone(), charge, self.limits().client_buffer);
        let session = Rc::new(RefCell::new(Session::new(self.clone(), outlet.clone(), entrance)));
        let number = self.sockets.add(session.clone(), &outlet)?;
        let station = self.clone();
        self.attend(cells, outlet, async move {
            Session::run(session).await;
            station.sockets.remove(number);
        });
        Ok(())
    }

    fn serve_http(self: &Rc<Self>, client: Accepted, entrance: Entrance) -> io::Result<()> {
        let (stream, client) = (client.adopt()?, Rc::new(http::Client::default()));
        let cells = entrance.cells.clone();
        self.attend(cells, client.clone(), client.serve(self.clone(), stream, entrance));
        Ok(())
    }

    /// Runs a session until it ends; it can be closed meanwhile.
    fn attend(
        self: &Rc<Self>,
        cells: Arc<DoorCells>,
        client: Rc<dyn Close>,
        session: impl Future<Output = ()> + 'static,
    ) {
        cells.clients.shift(0, 1);
        let place = self.sessions.borrow_mut().insert(client);
        let station = self.clone();
        tokio::task::spawn_local(async move {
            session.await;
            station.sessions.borrow_mut().remove(place);
            station.cells.clients.lower();
            cells.clients.shift(1, 0);
        });
    }

    #[cold]
    fn change(&self, outlook: &mut Outlook) {
        let topology = outlook.lookout.topology().clone();
        let (before, limits) = (outlook.view.topology().config().limits, topology.config().limits);
        let place = Place { hub: &self.hub, worker: self.index, memory: &self.memory };
        outlook.view = Rc::new(View::open(topology, &place, Some(&outlook.view)));
        self.memory.set_limit(limits.memory / self.hub.workers());
        if limits != before {
            let sessions: Vec<_> = self.sessions.borrow().iter().map(|(_, client)| client.clone()).collect();
            let tell = move || sessions.iter().for_each(|client| client.allow(limits.client_buffer));
            tokio::task::spawn_local(async move { tell() }); // the session that looked is in the middle of something
        }
    }

    /// Ends when the last session has.
    async fn drain(self: Rc<Self>) {
        for (_, client) in self.sessions.borrow().iter() {
            client.close();
        }
        while !self.sessions.borrow().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}
