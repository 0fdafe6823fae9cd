//! A connection's time limits and its bytes, as they pass between hyper and the socket.
//!
//! hyper's own time limit for headers runs between two requests too, so that it would close idle connections, and the
//! look at the first bytes that tells h2c from HTTP/1.1 has none. Here the time runs from the first byte of a request
//! to its last header, and where nothing has come at all only `limits.client_idle` counts.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::metrics::DoorCells;
use crate::net::Stream;

/// How long the headers of a request may take from their first byte.
pub(super) const HEADERS: Duration = Duration::from_secs(10);
/// How long, and for how many bytes, a client whose body was refused may go on sending: a connection that is closed
/// with bytes unread takes the refusal with it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What is known of a connection's life.
pub(super) struct Pulse {
    /// Requests under way.
    open: Cell<u32>,
    /// When the first byte of the request came whose headers are not whole.
    began: Cell<Option<Instant>>,
    /// When the last bytes passed, in either direction.
    moved: Cell<Instant>,
    /// It is an h2 connection that has had a request: bytes between two requests need not be headers.
    multiplexed: Cell<bool>,
    /// A body was refused and is not read.
    unread: Cell<bool>,
}

impl Pulse {
    /// A connection of which no byte has come.
    pub(super) fn start() -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            began: Cell::new(None),
            moved: Cell::new(Instant::now()),
            multiplexed: Cell::new(false),
            unread: Cell::new(false),
        })
    }

    /// The headers of a request are whole; it is under way until what is returned is dropped.
    pub(super) fn request(self: &Rc<Self>, multiplexed: bool) -> impl Drop + use<> {
        self.began.set(None);
        self.multiplexed.set(multiplexed);
        self.open.set(self.open.get() + 1);
        Open(self.clone())
    }

    /// The body of a request stays unread.
    pub(super) fn leave_unread(&self) {
        self.unread.set(true);
    }

    fn heard(&self) {
        self.moved.set(Instant::now());
        if self.open.get() == 0 && self.began.get().is_none() && !self.multiplexed.get() {
            self.began.set(Some(self.moved.get()));
        }
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
        let idle = idle.filter(|_| self.pulse.open.get() == 0).map(|idle| self.pulse.moved.get() + idle);
        headers.into_iter().chain(idle).min()
    }
}

/// A client's socket: counts its bytes and tells the pulse.
pub(super) struct Metered {
    stream: Stream,
    pulse: Rc<Pulse>,
    cells: Arc<DoorCells>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Metered {
    pub(super) fn new(stream: Stream, pulse: Rc<Pulse>, cells: Arc<DoorCells>) -> Self {
        Self { stream, pulse, cells, linger: None }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.pulse.moved.set(Instant::now());
            self.cells.bytes_written.add(count as u64);
        }
        written
    }

    /// Reads on, to no purpose but that the client hears the last answer.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (alarm, left) =
            self.linger.get_or_insert_with(|| (Box::pin(sleep_until(Instant::now() + LINGER)), LINGER_BYTES));
        let mut bytes = [0; 8 * 1024];
        while *left > 0 && alarm.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => *left = left.saturating_sub(buffer.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            this.cells.bytes_read.add(count as u64);
            this.pulse.heard();
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        if this.pulse.unread.get() {
            ready!(this.linger(cx));
        }
        Poll::Ready(Ok(()))
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
        pulse.heard();
        assert!(!ends(&mut watch, ALMOST, None).await);
        pulse.heard(); // one more byte buys no time
        assert!(ends(&mut watch, Duration::from_secs(1), None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_request_s_headers_ends_with_them() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        pulse.heard();
        assert!(!ends(&mut watch, ALMOST, None).await);
        let request = pulse.request(false);
        pulse.heard(); // of its body
        assert!(!ends(&mut watch, HEADERS * 2, None).await);
        drop(request);
        assert!(!ends(&mut watch, HEADERS * 2, None).await);
        pulse.heard();
        assert!(ends(&mut watch, HEADERS * 2, None).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_when_the_limits_say_so() {
        let pulse = Pulse::start();
        let mut watch = Watch::new(pulse.clone());
        let request = pulse.request(true);
        assert!(!ends(&mut watch, HEADERS * 10, Some(HEADERS * 3)).await);
        drop(request);
        pulse.heard();
        assert!(!ends(&mut watch, HEADERS * 2, Some(HEADERS * 3)).await);
        assert!(ends(&mut watch, HEADERS * 2, Some(HEADERS * 3)).await);
    }
}
