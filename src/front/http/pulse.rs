//! A connection's time limits.
//!
//! hyper's own time limit for headers runs between two requests too, so that it would close idle connections, and the
//! look at the first bytes that tells h2c from HTTP/1.1 has none. Here the time runs from the first byte of a request
//! to its last header (with h2, from the first byte of a frame to the last of it, or of the header block that it opens),
//! and where nothing has come at all only `limits.client_idle` counts. What a client does not take of its answers has a
//! time limit too: a socket that takes nothing, and an answer that h2's flow control holds back while the socket is
//! free.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use slab::Slab;
use tokio::time::{Instant, Sleep, sleep_until};

use super::frames::{Framing, Stand};

/// How long the headers of a request may take from their first byte.
pub(super) const HEADERS: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what waits for it. The kernel says that there is room when a third of its
/// buffer is free, so that a client of 28 KiB a second is told from one that has stopped even where that buffer is 2.5
/// MiB.
const STALL: Duration = Duration::from_secs(30);

/// What is known of a connection's life.
pub(super) struct Pulse {
    /// Requests under way.
    open: Cell<u32>,
    /// When the first byte of the request came whose headers are not whole, or of the frame that is not.
    began: Cell<Option<Instant>>,
    framing: RefCell<Framing>,
    /// When the last bytes passed, in either direction.
    moved: Cell<Instant>,
    /// Since when the socket takes nothing, though something waits.
    blocked: Cell<Option<Instant>>,
    /// Since when each answer that is under way has not moved; `None` while it waits for nodes.
    deliveries: RefCell<Slab<Option<Instant>>>,
    /// A body was refused and is not read.
    unread: Cell<bool>,
}

impl Pulse {
    /// A connection of which no byte has come.
    pub(super) fn start() -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            began: Cell::new(None),
            framing: RefCell::new(Framing::new()),
            moved: Cell::new(Instant::now()),
            blocked: Cell::new(None),
            deliveries: RefCell::default(),
            unread: Cell::new(false),
        })
    }

    /// The headers of a request are whole; it is under way until what is returned is dropped.
    pub(super) fn request(self: &Rc<Self>) -> impl Drop + use<> {
        if !self.framing.borrow().is_http2() {
            self.began.set(None);
        }
        self.open.set(self.open.get() + 1);
        Open(self.clone())
    }

    /// The body of a request stays unread.
    pub(super) fn leave_unread(&self) {
        self.unread.set(true);
    }

    /// Whether the body of a request stays unread.
    pub(super) fn leaves_unread(&self) -> bool {
        self.unread.get()
    }

    /// An answer is on its way to the client.
    pub(super) fn deliver(self: &Rc<Self>) -> Delivery {
        let place = self.deliveries.borrow_mut().insert(Some(Instant::now()));
        Delivery { pulse: self.clone(), place }
    }

    /// These bytes have come.
    pub(super) fn heard(&self, bytes: &[u8]) {
        let now = Instant::now();
        self.moved.set(now);
        match self.framing.borrow_mut().feed(bytes) {
            Stand::Unframed if self.open.get() == 0 && self.began.get().is_none() => self.began.set(Some(now)),
            Stand::Within { is_new: true } => self.began.set(Some(now)),
            Stand::Between => self.began.set(None),
            Stand::Unframed | Stand::Within { is_new: false } => {}
        }
    }

    /// The socket took bytes, or has no room for them.
    pub(super) fn wrote(&self, has_room: bool) {
        match (has_room, self.blocked.get()) {
            (true, _) => {
                self.moved.set(Instant::now());
                self.blocked.set(None);
            }
            (false, None) => self.blocked.set(Some(Instant::now())),
            (false, Some(_)) => {}
        }
    }

    /// Since when the client takes nothing of something.
    fn stalled(&self) -> Option<Instant> {
        let deliveries = self.deliveries.borrow();
        deliveries.iter().filter_map(|(_, since)| *since).chain(self.blocked.get()).min()
    }

    fn is_idle(&self) -> bool {
        self.open.get() == 0 && self.deliveries.borrow().is_empty()
    }
}

/// An answer that is on its way until this is dropped.
pub(super) struct Delivery {
    pulse: Rc<Pulse>,
    place: usize,
}

impl Delivery {
    /// The client has taken some of it.
    pub(super) fn moved(&self) {
        self.with(|since| {
            if since.is_some() {
                *since = Some(Instant::now());
            }
        });
    }

    /// Whether there is something that waits for the client, or it waits for more itself.
    pub(super) fn waits(&self, for_client: bool) {
        self.with(|since| *since = for_client.then(Instant::now));
    }

    fn with(&self, change: impl FnOnce(&mut Option<Instant>)) {
        if let Some(since) = self.pulse.deliveries.borrow_mut().get_mut(self.place) {
            change(since);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.pulse.deliveries.borrow_mut().try_remove(self.place);
    }
}

struct Open(Rc<Pulse>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

/// Ends a connection that takes too long. A connection that has nothing to wait for keeps no timer running.
pub(super) struct Watch {
    pulse: Rc<Pulse>,
    alarm: Pin<Box<Sleep>>,
    /// When the alarm goes off; perhaps too early, and then it is set again.
    armed: Option<Instant>,
}

impl Watch {
    /// Watches `pulse`.
    pub(super) fn new(pulse: Rc<Pulse>) -> Self {
        Self { pulse, alarm: Box::pin(sleep_until(Instant::now())), armed: None }
    }

    /// Ready when the connection is to end; `idle` is how long it may be silent. Looks at the pulse as it is after
    /// the connection's own turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, idle: Option<Duration>) -> Poll<()> {
        loop {
            let Some(end) = self.end(idle) else {
                return Poll::Pending; // an alarm that is still armed looks again, and finds nothing
            };
            if self.armed.is_none_or(|armed| armed > end) {
                self.alarm.as_mut().reset(end);
                self.armed = Some(end);
            }
            ready!(self.alarm.as_mut().poll(cx));
            self.armed = None;
            if end <= Instant::now() {
                return Poll::Ready(());
            }
        }
    }

    fn end(&self, idle: Option<Duration>) -> Option<Instant> {
        let headers = self.pulse.began.get().map(|began| began + HEADERS);
        let stalled = self.pulse.stalled().map(|since| since + STALL);
        let idle = idle.filter(|_| self.pulse.is_idle()).map(|idle| self.pulse.moved.get() + idle);
        headers.into_iter().chain(stalled).chain(idle).min()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Whether the watch ends the connection within `limit`.
    async fn ends(watch: &mut Watch, limit: Duration, idle: Option<Duration>) -> bool {
        tokio::time::timeout(limit, poll_fn(|cx| watch.poll(cx, idle))).await.is_ok()
    }

    const ALMOST: Duration = Duration::from_millis(9900);

    #[tokio::test(start_paused = true)]
    async fn headers_have_a_time_limit_and_idle_connections_have_none() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        assert!(!ends(&mut watch, HEADERS * 100, None).await);
        pulse.heard(b"G");
        assert!(!ends(&mut watch, ALMOST, None).await);
        pulse.heard(b"G"); // one more byte buys no time
        assert!(ends(&mut watch, Duration::from_secs(1), None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_request_s_headers_ends_with_them() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        pulse.heard(b"G");
        assert!(!ends(&mut watch, ALMOST, None).await);
        let request = pulse.request();
        pulse.heard(b"G"); // of its body
        assert!(!ends(&mut watch, HEADERS * 2, None).await);
        drop(request);
        assert!(!ends(&mut watch, HEADERS * 2, None).await);
        pulse.heard(b"G");
        assert!(ends(&mut watch, HEADERS * 2, None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_when_the_limits_say_so() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        pulse.heard(H2);
        let request = pulse.request();
        assert!(!ends(&mut watch, HEADERS * 10, Some(HEADERS * 3)).await);
        drop(request);
        pulse.heard(&H2[24..]);
        assert!(!ends(&mut watch, HEADERS * 2, Some(HEADERS * 3)).await);
        assert!(ends(&mut watch, HEADERS * 2, Some(HEADERS * 3)).await);
    }

    /// The first bytes of an h2 client: its preface and empty settings.
    const H2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    #[tokio::test(start_paused = true)]
    async fn every_header_block_of_h2_has_the_time_limit() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        pulse.heard(H2);
        assert!(!ends(&mut watch, HEADERS * 10, None).await, "settings are there, and no request yet");
        drop(pulse.request());
        pulse.heard(b"\0\0\x01\x01\0\0\0\0\x01\x82"); // HEADERS without END_HEADERS
        assert!(!ends(&mut watch, ALMOST, None).await);
        pulse.heard(b"\0\0\x01\x09\0\0\0\0\x01\x86"); // CONTINUATION without it
        drop(pulse.request()); // of an earlier one
        assert!(ends(&mut watch, Duration::from_secs(1), None).await);
        pulse.heard(b"\0\0\0\x09\x04\0\0\0\x01");
        assert!(!ends(&mut watch, HEADERS * 10, None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_takes_nothing_has_a_time_limit() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        let almost = STALL - Duration::from_secs(1);
        pulse.wrote(false);
        assert!(!ends(&mut watch, almost, None).await);
        pulse.wrote(true);
        pulse.wrote(false);
        assert!(!ends(&mut watch, almost, None).await);
        pulse.wrote(false);
        assert!(ends(&mut watch, STALL, None).await);
        pulse.wrote(true);
        assert!(!ends(&mut watch, STALL * 10, None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_the_client_does_not_take_has_a_time_limit_and_one_that_nodes_owe_has_none() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        let almost = STALL - Duration::from_secs(1);
        let (stuck, moving) = (pulse.deliver(), pulse.deliver());
        assert!(!ends(&mut watch, almost, Some(HEADERS)).await, "it is not idle");
        moving.moved();
        assert!(ends(&mut watch, Duration::from_secs(2), None).await, "one moves and the other does not");
        drop(stuck);
        assert!(!ends(&mut watch, almost - Duration::from_secs(2), None).await);
        moving.waits(false);
        moving.moved();
        assert!(!ends(&mut watch, STALL * 10, None).await, "it waits for nodes");
        moving.waits(true);
        assert!(ends(&mut watch, STALL, None).await);
        drop(moving);
        assert!(!ends(&mut watch, STALL * 10, None).await);
    }
}
