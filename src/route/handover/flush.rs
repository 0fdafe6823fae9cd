//! A flush while a window is open: the old owners first, then the pool as it is.
//!
//! The other way round a reader could read an old owner before it is flushed, and put what it read on a new owner that
//! was flushed already. What comes behind the flush waits for it, so that nothing is flushed that came later.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ask::ask;
use super::detours::Detours;
use crate::model::{Expiry, Reply, ReplyTo, Request};
use crate::route::Broadcast;

/// Between two looks whether what came before the flush is done.
const PAUSE: Duration = Duration::from_millis(1);

/// What came behind a flush that is under way.
pub(super) enum Held {
    Request(Rc<Request>, ReplyTo),
    Flush(Option<Expiry>, Rc<Broadcast>),
}

impl Detours {
    /// How many nodes a flush reaches: those of the pool and those that have left it.
    pub(in crate::route) fn width(&self) -> usize {
        self.lane.width() + self.window.departed().count()
    }

    /// Flushes; `broadcast` hears of so many nodes.
    pub(in crate::route) fn flush(&self, delay: Option<Expiry>, broadcast: &Rc<Broadcast>) {
        let Some(me) = self.me.upgrade() else { return };
        let broadcast = broadcast.clone();
        if let Some(held) = &mut *self.held.borrow_mut() {
            return held.push(Held::Flush(delay, broadcast));
        }
        self.held.replace(Some(Vec::new()));
        tokio::task::spawn_local(async move {
            me.flush_all(delay, &broadcast).await;
            me.release();
        });
    }

    /// Sends on what came behind a flush.
    fn release(&self) {
        for held in self.held.take().into_iter().flatten() {
            match held {
                Held::Flush(delay, broadcast) => self.flush(delay, &broadcast),
                Held::Request(request, reply_to) => {
                    self.charge.free(request.weight());
                    if let Some((request, reply_to)) = self.divert(request, reply_to) {
                        self.lane.dispatch(request, reply_to);
                    }
                }
            }
        }
    }

    async fn flush_all(&self, delay: Option<Expiry>, broadcast: &Rc<Broadcast>) {
        let deadline = self.deadline(Instant::now());
        while !self.queue.is_empty() && Instant::now() < deadline {
            sleep(PAUSE).await;
        }
        for (former, (_, stays)) in self.window.nodes().enumerate() {
            let reply = match self.window.counts(former) {
                true => ask(&self.former[former], 0, Request::FlushAll { delay }, deadline).await,
                false => Reply::Ok,
            };
            // One that stays is flushed once more below, and heard then.
            if stays.is_none() {
                let counts = self.window.counts(former);
                broadcast.part().answer(if counts { reply } else { Reply::Ok });
            }
        }
        self.lane.flush(delay, broadcast);
    }
}
