//! The body of a response.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::batch::Lines;
use super::pulse::{Delivery, Pulse};
use crate::memory::Charge;

/// The most bytes that hyper takes at once.
const PIECE: usize = 64 * 1024;

/// Bytes that are there, or lines that are still asked for.
pub(super) struct Content {
    source: Source,
    charge: Option<Charge>,
    held: Option<Rc<Held>>,
}

enum Source {
    /// What is left of a whole.
    Whole(Bytes),
    /// One line an item, as the nodes answer.
    Lines(Box<Lines>),
}

/// What ends when the last byte has gone to the client.
struct Held {
    delivery: Delivery,
    _charge: Option<Charge>,
}

/// Bytes that hyper has and the client has not.
pub(super) struct Piece {
    bytes: Bytes,
    held: Option<Rc<Held>>,
}

impl Content {
    pub(super) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    /// Bytes of ketch's own.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { source: Source::Whole(bytes.into()), charge: None, held: None }
    }

    /// Bytes that `charge` holds until they are written.
    pub(super) fn held(bytes: impl Into<Bytes>, charge: Charge) -> Self {
        Self { charge: Some(charge), ..Self::whole(bytes) }
    }

    /// Lines that come one after the other.
    pub(super) fn lines(lines: Lines) -> Self {
        Self { source: Source::Lines(Box::new(lines)), charge: None, held: None }
    }

    /// The same on a connection whose `pulse` is to know what the client has not taken.
    pub(super) fn on(mut self, pulse: &Rc<Pulse>) -> Self {
        if !self.is_end_stream() {
            self.held = Some(Rc::new(Held { delivery: pulse.deliver(), _charge: self.charge.take() }));
        }
        self
    }
}

impl Body for Content {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let Self { source, held, .. } = self.get_mut();
        let next = match source {
            Source::Whole(rest) if rest.is_empty() => Poll::Ready(None),
            Source::Whole(rest) => Poll::Ready(Some(rest.split_to(rest.len().min(PIECE)))),
            Source::Lines(lines) => {
                let next = lines.poll(cx);
                if let Some(held) = held {
                    held.delivery.waits(next.is_ready());
                }
                next
            }
        };
        next.map(|next| next.map(|bytes| Ok(Frame::data(Piece { bytes, held: held.clone() }))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.source, Source::Whole(rest) if rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
            Source::Lines(_) => SizeHint::default(),
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // The last one ends the delivery.
        if let Some(held) = self.held.as_ref().filter(|held| Rc::strong_count(held) > 1) {
            held.delivery.moved();
        }
    }
}
