//! The bytes of a client, as they pass between hyper and the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::pulse::Pulse;
use crate::metrics::DoorCells;
use crate::net::Stream;

/// How long, and for how many bytes, a client whose body was refused may go on sending: a connection that is closed
/// with bytes unread takes the refusal with it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// The most that is read at once. hyper keeps what it reads ahead of a body that waits for its place, and what it makes
/// room for follows what it got; none of that is charged to anybody.
const PIECE: u64 = 16 * 1024;

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
        match written {
            Poll::Ready(Ok(count)) => {
                self.pulse.wrote(true);
                self.cells.bytes_written.add(count as u64);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pulse.wrote(false),
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
        let read = Pin::new(&mut (&mut this.stream).take(PIECE)).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            this.cells.bytes_read.add(count as u64);
            this.pulse.heard(&buffer.filled()[before..]);
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
        if this.pulse.leaves_unread() {
            ready!(this.linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
