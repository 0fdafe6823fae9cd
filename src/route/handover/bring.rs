//! The one step that moves an item from its old owner to the new one.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ask::ask;
use super::detours::Detours;
use super::sight::{self, Lease, Sight};
use crate::metrics::Handover;
use crate::model::{Key, MetaStatus, Reply, Request};
use crate::route::Seat;

/// The first wait for somebody else's fill; each is twice the one before, up to [`LONGEST`].
pub(super) const FIRST: Duration = Duration::from_millis(1);
pub(super) const LONGEST: Duration = Duration::from_millis(32);

impl Detours {
    /// Puts the item of `key` on its new owner if the old one has it, or waits until somebody else has done so.
    ///
    /// Whatever fails, nothing is promised but that the time of what came at `since` is kept: whoever waits asks the
    /// new owner again.
    pub(super) async fn bring(&self, key: &Key, since: Instant) {
        let seat = self.lane.pool().seat(key);
        let deadline = self.deadline(since);
        let (Ok(node), true) = (seat.node, seat.node == Ok(seat.owner)) else { return };
        if Instant::now() > self.window.asks_until().into() {
            return;
        }
        let Some(former) = self.window.former(key, node).filter(|former| self.window.counts(*former)) else { return };
        // Most keys that miss are on neither. Those cost no lease, and no client meets a placeholder for nothing.
        self.count(Handover::Asked);
        let seen = self.see_former(key, seat, former, false, deadline).await;
        if seen.is_none() {
            return;
        }
        self.count(Handover::Found);
        while let Some(token) = self.win(key, seat, deadline).await {
            let found = self.fetch(key, seat, former, deadline).await;
            // Under a lease that was got while the window was open, all that comes under the next one comes later.
            let Some((found, life)) = found.filter(|_| !self.window.is_closed()) else {
                return self.give_up(key, seat, token, deadline).await;
            };
            match self.ask_new(seat, sight::fill(key, token, &found, &life), deadline).await {
                Reply::Meta(meta) if meta.status == MetaStatus::Done => return self.count(Handover::Filled),
                // The lease has run out. Or somebody deleted the item, and then the old owner has it no more.
                Reply::Meta(meta) if meta.status == MetaStatus::NotFound => {}
                Reply::Meta(_) => return, // somebody wrote meanwhile
                _ => return self.give_up(key, seat, token, deadline).await,
            }
        }
    }

    async fn give_up(&self, key: &Key, seat: Seat, token: u64, deadline: Instant) {
        self.ask_new(seat, sight::give_up(key, token), deadline).await;
    }

    /// The lease; `None` when there is an item, or the time is over.
    async fn win(&self, key: &Key, seat: Seat, deadline: Instant) -> Option<u64> {
        let mut pause = FIRST;
        loop {
            match Sight::of(&self.ask_new(seat, sight::take(key), deadline).await)?.lease() {
                Lease::Held(token) => return Some(token),
                Lease::There(_) | Lease::Foreign => return None,
                Lease::Busy => wait(&mut pause, deadline).await?,
            }
        }
    }

    /// What the old owner has now, and how long it lives on.
    async fn fetch(&self, key: &Key, seat: Seat, former: usize, deadline: Instant) -> Option<(Sight, String)> {
        if self.window.is_closed() || !self.window.counts(former) {
            return None;
        }
        let found = self.see_former(key, seat, former, true, deadline).await?;
        let life = found.life()?;
        Some((found, life))
    }

    /// An item that is worth to be handed over: not one that was declared stale, not a placeholder.
    async fn see_former(&self, key: &Key, seat: Seat, former: usize, value: bool, deadline: Instant) -> Option<Sight> {
        let look = sight::look(key, value);
        let seen = Sight::of(&ask(&self.former[former], seat.hash, look, deadline).await)?;
        (!seen.stale && !seen.is_placeholder()).then_some(seen)
    }

    /// Asks the node that a key goes to, beside what clients ask it.
    pub(super) async fn ask_new(&self, seat: Seat, request: Request, deadline: Instant) -> Reply {
        match self.lane.link(seat) {
            Ok(link) => ask(link, seat.hash, request, deadline).await,
            Err(kind) => Reply::never_sent(kind),
        }
    }
}

/// Waits for twice as long as the last time; `None` when there is no time for that.
pub(super) async fn wait(pause: &mut Duration, deadline: Instant) -> Option<()> {
    if Instant::now() + *pause >= deadline {
        return None;
    }
    sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST);
    Some(())
}
