//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::batch::Lines;
use crate::memory::Charge;

/// The most bytes that hyper takes at once: what it has taken and not yet written is charged to nobody.
const PIECE: usize = 64 * 1024;

/// Bytes that are there, or lines that are still asked for.
pub(super) enum Content {
    /// What is left of a whole, and who is charged for it.
    Whole { rest: Bytes, charge: Option<Charge> },
    /// One line an item, as the nodes answer.
    Lines(Box<Lines>),
}

impl Content {
    pub(super) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// Bytes of ketch's own.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole { rest: bytes.into(), charge: None }
    }

    /// Bytes that `charge` holds until they are written.
    pub(super) fn held(bytes: impl Into<Bytes>, charge: Charge) -> Self {
        Self::Whole { rest: bytes.into(), charge: Some(charge) }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole { rest, .. } if rest.is_empty() => Poll::Ready(None),
            Self::Whole { rest, charge } => {
                let piece = rest.split_to(rest.len().min(PIECE));
                if rest.is_empty() {
                    *charge = None;
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Self::Lines(lines) => lines.poll(cx).map(|lines| lines.map(|lines| Ok(Frame::data(lines)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole { rest, .. } if rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { rest, .. } => SizeHint::with_exact(rest.len() as u64),
            Self::Lines(_) => SizeHint::default(),
        }
    }
}
