//! The time limit for a silent client.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may be silent, and since when it is.
pub(super) struct Idle {
    limit: Duration,
    heard: Instant,
    /// Goes off at or before the end of the limit; moved only when it does.
    alarm: Pin<Box<Sleep>>,
}

impl Idle {
    /// A limit that counts from now, or from where an `earlier` one did.
    pub(super) fn new(limit: Duration, earlier: Option<&Self>) -> Self {
        let heard = earlier.map_or_else(Instant::now, |earlier| earlier.heard);
        Self { limit, heard, alarm: Box::pin(sleep_until(heard + limit)) }
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The client has said something.
    pub(super) fn hear(&mut self) {
        self.heard = Instant::now();
    }

    /// Ready when the client has been silent for too long. One that waits for its replies, or takes them, is not.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, is_served: impl Fn() -> bool) -> Poll<io::Result<()>> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if is_served() {
                self.hear();
            }
            let end = self.heard + self.limit;
            if end <= Instant::now() {
                return Poll::Ready(Ok(()));
            }
            self.alarm.as_mut().reset(end);
        }
    }
}
