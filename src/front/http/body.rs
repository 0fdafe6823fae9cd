//! The body of a request: bounded in bytes, in time and in what all bodies may hold together (promise 7).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::body::{Body, Frame, Incoming};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use crate::memory::{Charge, LARGE, Place, make_room};
use crate::model::{Failure, FailureKind, Sent};

/// How long a body may take whatever its size.
const PATIENCE: Duration = Duration::from_secs(10);
/// The slowest that the rest of a large one may come, in bytes a second.
const SLOWEST: usize = 64 * 1024;
/// Room for so many times what has come is made at once: it need not be moved again.
const TRUST: usize = 16;

/// Reads a body of at most `limit` bytes, which `charge` holds until it is dropped.
///
/// One that says that it is longer is refused unread, so that a client which waits for `100 Continue` sends nothing. A
/// large one waits for its [`Place`] with no more than its beginning read.
/// Dropping the future leaves the rest unread: the connection has to end.
///
/// # Errors
/// 413 when it is too long, 408 when it comes too slowly, 503 when there is no room, 400 when it breaks off.
pub(super) async fn read(body: Incoming, limit: usize, charge: &Charge) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > limit as u64 {
        return Err(too_long(limit));
    }
    let whole = BytesMut::new();
    Reading { body, limit, charge, whole, place: None, started: Instant::now() }.run().await
}

struct Reading<'a> {
    body: Incoming,
    limit: usize,
    charge: &'a Charge,
    whole: BytesMut,
    place: Option<Place>,
    /// When its time began.
    started: Instant,
}

impl Reading<'_> {
    async fn run(mut self) -> Result<Bytes, Problem> {
        loop {
            let end = self.started + PATIENCE + Duration::from_secs((self.whole.len() / SLOWEST) as u64);
            let frame = match timeout_at(end, poll_fn(|cx| self.poll(cx))).await {
                Err(_) => return Err(too_slow()),
                Ok(Err(problem)) => return Err(problem),
                Ok(Ok(None)) => return Ok(self.whole.freeze()),
                Ok(Ok(Some(frame))) => frame,
            };
            let Ok(piece) = frame.into_data() else { continue }; // trailers
            let come = self.whole.len() + piece.len();
            if come > self.limit {
                return Err(too_long(self.limit));
            }
            self.hold(piece.len(), come).await?;
            if self.whole.is_empty() && self.body.is_end_stream() {
                return Ok(piece); // the commonest: it came in one piece
            }
            self.make_room(piece.len(), come);
            self.whole.extend_from_slice(&piece);
        }
    }

    /// The next frame; that there is no room, when it keeps others waiting.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Problem>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(None) => Poll::Ready(Ok(None)),
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Ok(Some(frame))),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Err(Problem::bad("the body is no body, or breaks off").closing())),
            Poll::Pending if self.place.as_ref().is_some_and(|place| place.is_over(cx)) => {
                Poll::Ready(Err(self.no_room()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Charges `more` bytes, with which `come` are there; first waits for its place, if it is large.
    async fn hold(&mut self, more: usize, come: usize) -> Result<(), Problem> {
        if let Some(place) = &self.place {
            self.charge.keep(more);
            place.holds(come, come);
            return Ok(());
        }
        if !self.charge.add(more) {
            return Err(self.no_room());
        }
        let whole = self.expected(come);
        if whole <= LARGE || self.body.is_end_stream() {
            return Ok(());
        }
        let place = Place::ask(self.charge.memory(), whole, come).ok_or_else(|| self.no_room())?;
        if !place.admitted().await {
            return Err(self.no_room());
        }
        self.started = Instant::now(); // until here, it was not the client that was slow
        self.place = Some(place);
        Ok(())
    }

    /// Makes room for `more` bytes, with which `come` are there; for all that is expected once some of it is.
    fn make_room(&mut self, more: usize, come: usize) {
        if self.whole.capacity() - self.whole.len() < more {
            let rest = self.expected(come) - self.whole.len();
            let room = if self.place.is_some() { rest } else { rest.min(TRUST * come) };
            make_room(&mut self.whole, room.max(more), more);
        }
    }

    /// How long it will be when `come` bytes are there. One that has not said so may yet be as long as any, once it is
    /// large.
    fn expected(&self, come: usize) -> usize {
        match self.body.size_hint().upper() {
            Some(left) => usize::try_from(left).unwrap_or(self.limit).saturating_add(come).min(self.limit),
            None if come > LARGE => self.limit,
            None => come,
        }
    }

    fn no_room(&self) -> Problem {
        self.charge.tell();
        Problem::failed(Failure { kind: FailureKind::Memory, sent: Sent::Never }).closing()
    }
}

fn too_long(limit: usize) -> Problem {
    let detail = format!("the body is longer than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).closing()
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly").closing()
}
