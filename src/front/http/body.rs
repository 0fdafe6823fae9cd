//! The body of a request: bounded in bytes, in time and in what all bodies may hold together (promise 7).

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use crate::memory::Charge;
use crate::model::{Failure, FailureKind, Sent};

/// How long a body may take whatever its size.
const PATIENCE: Duration = Duration::from_secs(10);
/// The slowest that the rest of a large one may come, in bytes a second.
const SLOWEST: usize = 64 * 1024;
/// What a body may hold even when memory is scarce.
const SHARE: usize = 64 * 1024;

/// Reads a body of at most `limit` bytes, which `charge` holds until it is dropped.
///
/// One that says that it is longer is refused unread, so that a client which waits for `100 Continue` sends nothing.
/// Dropping the future leaves the rest unread: the connection has to end.
///
/// # Errors
/// 413 when it is too long, 408 when it comes too slowly, 503 when there is no room, 400 when it breaks off.
pub(super) async fn read(mut body: Incoming, limit: usize, charge: &Charge) -> Result<Bytes, Problem> {
    let too_long = || {
        let detail = format!("the body is longer than {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).closing()
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_long());
    }
    let started = Instant::now();
    let mut whole = BytesMut::new();
    loop {
        let end = started + PATIENCE + Duration::from_secs((whole.len() / SLOWEST) as u64);
        let next = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let frame = match timeout_at(end, next).await {
            Err(_) => return Err(too_slow()),
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(_))) => return Err(Problem::bad("the body is no body, or breaks off").closing()),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue }; // trailers
        if whole.len() + piece.len() > limit {
            return Err(too_long());
        }
        if !charge.add_fairly(piece.len(), SHARE) {
            return Err(Problem::failed(Failure { kind: FailureKind::Memory, sent: Sent::Never }).closing());
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece); // the commonest: it came in one piece
        }
        whole.extend_from_slice(&piece);
    }
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly").closing()
}
