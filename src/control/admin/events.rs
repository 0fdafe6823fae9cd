//! Server-sent events for the status page: at once, then one in so long, until the browser goes.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::view;
use crate::control::Scope;

/// A stream without an end. It is made only as fast as the browser reads.
pub(super) struct Events {
    scope: Scope,
    ticks: Interval,
    /// Its seat among those who watch; given back when it is dropped.
    _seat: Rc<()>,
}

impl Events {
    pub(super) fn new(scope: Scope, period: Duration, seat: Rc<()>) -> Self {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { scope, ticks, _seat: seat }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.ticks.poll_tick(cx));
        let event = format!("data: {}\n\n", view::moment(&self.scope));
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}
