//! A client's way out: the replies that it is owed and the socket that they leave by.
//!
//! A reply does not wake the client's session, which has nothing to do with it: the outlet goes on the worker's list of
//! those that are [`Due`], and all that are on it are written together, behind the nodes that were heard in the same
//! turn. Replies of a pipeline wait a moment for each other there. A session is woken for what only it can do: to wait for
//! a full socket, to read on, to end.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mio::event::Event;
use mio::{Registry, Token};
use tokio::time::Instant;

use super::due::Due;
use super::replies::Replies;
use super::worker::Close;
use crate::memory::{Charge, LARGE};
use crate::metrics::DoorCells;
use crate::net::Socket;
use crate::wire::{Inbox, Outbox};

/// So often a client is written to as replies come, after some have waited for others in vain: it asks slow nodes too.
const HASTE: u8 = 16;

/// What a client's session and the worker's list share.
pub(super) struct Outlet {
    me: Weak<Self>,
    due: Rc<Due>,
    /// Whether a reply has come whose turn it is, and was not collected yet.
    is_due: Cell<bool>,
    /// Until when what is due waits for what is still owed: its time in [`Due`], by which it is found there.
    held: Cell<Option<Instant>>,
    /// So often it does not wait.
    haste: Cell<u8>,
    /// What the client is owed.
    pub(super) replies: Rc<Replies>,
    socket: RefCell<Socket>,
    cells: Arc<DoorCells>,
    /// What the socket did not take.
    rest: RefCell<Outbox>,
    /// Whether it has taken some of that since this was last asked.
    drains: Cell<bool>,
    /// The session is to finish what it owes and close.
    is_closing: Cell<bool>,
    session: RefCell<Waker>,
    attention: Cell<Attention>,
}

/// What the session does meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attention {
    /// It runs, or waits for the socket to take more: it writes what comes itself.
    Writing,
    /// It waits for the client to say something.
    Reading,
    /// It waits for replies to leave, so that it may read on, or end.
    Watching,
}

impl Outlet {
    /// The way out by `socket` for replies that are charged to `charge`, and may hold `share` bytes of it even when memory
    /// is scarce.
    pub(super) fn new(socket: Socket, cells: Arc<DoorCells>, due: Rc<Due>, charge: Charge, share: usize) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            due,
            is_due: Cell::new(false),
            held: Cell::new(None),
            haste: Cell::new(0),
            replies: Replies::new(charge, share, me.clone()),
            socket: RefCell::new(socket),
            cells,
            rest: RefCell::default(),
            drains: Cell::new(false),
            is_closing: Cell::new(false),
            session: RefCell::new(Waker::noop().clone()),
            attention: Cell::new(Attention::Writing),
        })
    }

    /// Whether the session was told to close.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Whether everything that was collected has been written.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.borrow().is_empty()
    }

    /// Whether a client that is slow to take its replies has taken some since this was last asked.
    pub(super) fn has_drained(&self) -> bool {
        self.drains.take()
    }

    /// Tells the client that nothing more comes.
    pub(super) fn shut(&self) -> io::Result<()> {
        self.socket.borrow().shut()
    }

    /// Has the kernel tell of the socket by `token`.
    pub(super) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket.borrow().register(registry, token)
    }

    /// Has it tell no more.
    pub(super) fn deregister(&self, registry: &Registry) {
        self.socket.borrow().deregister(registry);
    }

    /// The kernel has told of the socket; whether that is news to the session.
    #[inline]
    pub(super) fn hear(&self, event: &Event) -> bool {
        let mut socket = self.socket.borrow_mut();
        socket.hear(event);
        socket.is_readable() || !self.is_empty()
    }

    /// This is the session's task.
    pub(super) fn know(&self, cx: &Context<'_>) {
        self.session.borrow_mut().clone_from(cx.waker());
    }

    /// Does something as the session's task, outside of it.
    #[inline]
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut Context<'_>) -> T) -> T {
        act(&mut Context::from_waker(&self.session.borrow()))
    }

    /// The session runs.
    #[inline]
    pub(super) fn begin(&self) {
        self.attention.set(Attention::Writing);
    }

    /// The session waits.
    pub(super) fn wait(&self, attention: Attention) {
        self.attention.set(attention);
        if self.is_due.get() {
            self.enlist();
        }
    }

    /// A reply has come whose turn it is, or with `all` one behind which nothing is owed.
    #[inline]
    pub(super) fn note(&self, all: bool) {
        let is_news = !self.is_due.replace(true);
        if is_news || all && self.held.take().is_some() {
            self.enlist();
        }
    }

    /// Whether something is due that may wait for what the client is still owed.
    ///
    /// It may not where the client waits for it to leave, so that it may be read from, nor where much would be held, nor
    /// soon after it was in vain.
    pub(super) fn may_wait(&self) -> bool {
        self.is_due.get()
            && !self.replies.are_whole()
            && self.attention.get() == Attention::Reading
            && self.haste.get() == 0
            && self.replies.charge().held() < LARGE
    }

    /// What is due waits until then; `false` where it waits already.
    pub(super) fn hold(&self, until: Instant) -> bool {
        if self.held.get().is_some() {
            return false;
        }
        self.held.set(Some(until));
        true
    }

    /// Whether what is due still waits, and until then.
    pub(super) fn is_held(&self, until: Instant) -> bool {
        self.held.get() == Some(until)
    }

    /// It has waited in vain.
    pub(super) fn let_go(&self) {
        self.held.set(None);
        self.haste.set(HASTE);
    }

    #[inline]
    fn enlist(&self) {
        if self.attention.get() != Attention::Writing
            && let Some(me) = self.me.upgrade()
        {
            self.due.add(me);
        }
    }

    /// Writes what is due, and has the session see to what that leaves.
    pub(super) fn settle(&self, desk: &mut Outbox) {
        if self.attention.get() == Attention::Writing {
            return;
        }
        self.haste.set(self.haste.get().saturating_sub(1));
        let all = matches!(self.write(desk), Ok(Poll::Ready(())));
        if !all || self.attention.get() == Attention::Watching {
            self.stir();
        }
    }

    /// Writes every reply whose turn it is; pending when the socket is full. What it did not take stays, after an error
    /// too.
    #[inline]
    pub(super) fn write(&self, desk: &mut Outbox) -> io::Result<Poll<()>> {
        if self.is_due.get() || !self.is_empty() { self.write_out(desk) } else { Ok(Poll::Ready(())) }
    }

    fn write_out(&self, desk: &mut Outbox) -> io::Result<Poll<()>> {
        let mut rest = self.rest.borrow_mut();
        if !rest.is_empty() {
            let (count, result) = self.send(&mut rest);
            self.replies.charge().free(count);
            self.drains.set(self.drains.get() || count > 0);
            if !matches!(result, Ok(Poll::Ready(()))) {
                return result;
            }
            rest.release();
        }
        if !self.is_due.replace(false) {
            return Ok(Poll::Ready(()));
        }
        self.held.set(None);
        self.replies.collect(desk);
        let (_, result) = self.send(desk);
        if !desk.is_empty() {
            std::mem::swap(desk, &mut rest);
            self.replies.charge().keep(rest.len());
        }
        result
    }

    fn send(&self, out: &mut Outbox) -> (usize, io::Result<Poll<()>>) {
        let (count, result) = self.socket.borrow_mut().write_from(out);
        self.cells.bytes_written.add(count as u64);
        (count, result)
    }

    /// Reads at most `most` bytes behind what `input` holds, as far as there is room; how much that was, 0 at the end.
    /// Pending when nothing has come.
    #[inline]
    pub(super) fn read(&self, input: &mut Inbox, most: usize) -> io::Result<Poll<usize>> {
        let read = self.socket.borrow_mut().read(input.end(), most);
        if let Ok(Poll::Ready(count)) = read {
            self.cells.bytes_read.add(count as u64);
        }
        read
    }

    /// Whether there may be something to read.
    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.socket.borrow().is_readable()
    }

    pub(super) fn stir(&self) {
        self.session.borrow().wake_by_ref();
    }
}

impl Drop for Outlet {
    /// The charge outlives the outlet where nodes have still to answer, but these bytes do not.
    fn drop(&mut self) {
        self.replies.forgo();
        self.replies.charge().free(self.rest.get_mut().len());
    }
}

impl Close for Outlet {
    fn close(&self) {
        self.is_closing.set(true);
        self.stir();
    }

    fn allow(&self, share: usize) {
        self.replies.allow(share);
        self.stir();
    }
}
