//! Writes of keys that moved: the old owner forgets the key first, then the new one hears of it.
//!
//! The order matters. The other way round a reader could get a lease on the new owner behind the write, read the old
//! value before that is deleted, and put it back behind the acknowledgement.

use std::rc::Rc;

use tokio::time::Instant;

use super::ask::{Answer, ask};
use super::bring::{FIRST, LONGEST, wait};
use super::detours::Detours;
use super::guard;
use super::queue::Job;
use super::sight::{self, Lease, Sight};
use crate::backend::{Dialect, Link};
use crate::model::{FailureKind, Key, MetaStatus, MetaVerb, Reply, Request, StoreMode};
use crate::route::Seat;

/// How a write depends on what is there.
enum Plan {
    /// Not at all.
    Set,
    /// Its answer does.
    Delete,
    /// It does.
    Conditional,
}

/// Where a write goes.
struct Route {
    seat: Seat,
    link: Rc<Link>,
    /// Until when it may be elsewhere than at the node that it is for.
    deadline: Instant,
    /// When it has to be answered.
    end: Instant,
}

impl Detours {
    /// Carries out one write, and answers it.
    pub(super) async fn write(&self, job: Job) {
        let seat = self.lane.note(self.lane.pool().seat(&job.key), &job.request);
        let former = seat.node.ok().and_then(|node| self.window.former(&job.key, node));
        let (Some(former), Ok(link)) = (former, self.lane.link(seat)) else { return self.pass_on(job) };
        let route =
            Route { seat, link: link.clone(), deadline: self.deadline(job.since), end: job.since + self.patience() };
        let plan = plan(&job.request);
        if matches!(plan, Plan::Conditional) {
            self.bring(&job.key, job.since).await;
        }
        let forgotten = self.forget(&job.key, &route, former).await;
        let had = match forgotten {
            Ok(had) => had,
            Err(reply) => return self.refuse(job, reply),
        };
        match plan {
            Plan::Conditional if self.has_placeholders(&route) => self.decide(&route, job).await,
            Plan::Delete if had || self.has_placeholders(&route) => self.remove(&route, job, had).await,
            // Until the answer is here the key stays on its detour: then a read that came before, and misses now, is not
            // answered with what came after it.
            _ => {
                let reply = self.ask_as_client(&route, job.request.clone()).await;
                self.lane.calls().settle(&job.request, job.reply_to, reply);
            }
        }
    }

    /// Has the old owner forget a key, and then whoever was about to fill it give up; whether there was an item.
    ///
    /// An old owner that was put out counts no more. One that is not and cannot be told stands in the way of the
    /// write: somebody could still read there what the write is to take the place of.
    async fn forget(&self, key: &Key, route: &Route, former: usize) -> Result<bool, Reply> {
        let mut had = false;
        if self.window.counts(former) {
            let forget = Request::forget(key);
            match ask(&self.former[former], route.seat.hash, forget, route.deadline).await {
                Reply::Deleted => had = true,
                Reply::Meta(meta) => had = meta.status == MetaStatus::Done,
                Reply::NotFound => {}
                _ if !self.window.counts(former) => {}
                reply => return Err(reply),
            }
        }
        if let Some(revoke) = sight::revoke(key, &route.link.node().dialect) {
            match ask(&route.link, route.seat.hash, revoke, route.deadline).await {
                Reply::Meta(_) => {}
                reply => return Err(reply),
            }
        }
        Ok(had)
    }

    /// Deletes, and says truly whether there was an item: on the old owner (`had`), or on the new one, where a
    /// placeholder is none.
    async fn remove(&self, route: &Route, job: Job, had: bool) {
        let mut pause = FIRST;
        let reply = loop {
            if !self.has_placeholders(route) {
                break self.ask_as_client(route, job.request.clone()).await;
            }
            let seen = self.ask_new(route.seat, sight::look(&job.key, false), route.deadline).await;
            let reply = match Sight::of(&seen) {
                Some(seen) => self.remove_seen(route, &job, &seen).await,
                None if matches!(seen, Reply::Meta(_)) => Some(guard::nothing(&job.request)),
                None => Some(seen),
            };
            match reply {
                Some(reply) => break reply,
                None if wait(&mut pause, route.deadline).await.is_none() => {
                    break Reply::maybe_sent(FailureKind::Timeout);
                }
                None => {}
            }
        };
        let reply = if had { guard::deleted(reply) } else { reply };
        self.lane.calls().settle(&job.request, job.reply_to, reply);
    }

    /// Deletes the item that was seen; `None` when it was another by then.
    async fn remove_seen(&self, route: &Route, job: &Job, seen: &Sight) -> Option<Reply> {
        let reply = self.ask_as_client(route, guard::guarded(&job.request, seen.token)?).await;
        let reply = guard::answer(&job.request, reply)?;
        let is_done = matches!(reply, Reply::Deleted | Reply::Meta(_));
        Some(if is_done && seen.is_placeholder() { guard::nothing(&job.request) } else { reply })
    }

    /// Carries out what depends on the item, where the placeholder of somebody's lease looks like one.
    ///
    /// The old owner has nothing any more, so that leases come up only of those who looked there before. With a lease
    /// of its own, or under the token of the item that it saw, the write meets nothing but what it knows of.
    async fn decide(&self, route: &Route, job: Job) {
        let mut pause = FIRST;
        loop {
            let taken = self.ask_new(route.seat, sight::take(&job.key), route.deadline).await;
            let decided = match Sight::of(&taken).map(|seen| seen.lease()) {
                None if matches!(taken, Reply::Meta(_)) => return self.pass_on(job), // no room for a placeholder
                None => return self.refuse(job, taken),
                Some(lease) => match lease {
                    Lease::Busy => None,
                    // A touch may have made the life of a lease longer, and is about to take it back.
                    Lease::Foreign if pause < LONGEST => None,
                    Lease::Foreign => Some(self.ask_as_client(route, job.request.clone()).await),
                    Lease::Held(token) => self.without_item(route, &job, token).await,
                    Lease::There(token) => self.with_item(route, &job, token).await,
                },
            };
            if let Some(reply) = decided {
                return self.lane.calls().settle(&job.request, job.reply_to, reply);
            }
            if wait(&mut pause, route.deadline).await.is_none() {
                return self.refuse(job, Reply::never_sent(FailureKind::Timeout));
            }
        }
    }

    /// There is no item, and the lease is held; `None` when it was lost meanwhile.
    async fn without_item(&self, route: &Route, job: &Job, token: u64) -> Option<Reply> {
        if let Some(add) = guard::add(&job.request, token) {
            return guard::answer(&job.request, self.ask_as_client(route, add).await);
        }
        let gone = self.ask_new(route.seat, sight::give_up(&job.key, token), route.deadline).await;
        match gone {
            Reply::Meta(meta) if meta.status == MetaStatus::Done => self.with_item(route, job, token).await,
            Reply::Meta(_) => None,
            trouble => Some(trouble),
        }
    }

    /// There is an item of this token, or was; `None` when it is another by now.
    async fn with_item(&self, route: &Route, job: &Job, token: u64) -> Option<Reply> {
        let guarded = guard::guarded(&job.request, token);
        let is_guarded = guarded.is_some();
        let reply = self.ask_as_client(route, guarded.map_or_else(|| job.request.clone(), Rc::new)).await;
        let touches = guard::touches(&job.request) && Sight::of(&reply).is_some_and(|seen| seen.may_be_placeholder());
        if touches && self.take_back(route, &job.key).await {
            return None;
        }
        // An empty value is no number to memcached, before it is an item of another token.
        let refused = guard::counts(&job.request) && matches!(reply, Reply::Refused(_));
        if refused && self.see_new(route, &job.key).await.is_none_or(|seen| seen.token != token) {
            return None;
        }
        if is_guarded { guard::answer(&job.request, reply) } else { Some(reply) }
    }

    /// A placeholder whose life was made longer is no placeholder for others any more: it goes. Whether it was one.
    async fn take_back(&self, route: &Route, key: &Key) -> bool {
        let Some(placeholder) = self.see_new(route, key).await.filter(Sight::is_placeholder) else { return false };
        drop(self.ask_new(route.seat, sight::give_up(key, placeholder.token), route.deadline).await);
        true
    }

    /// What is on the new owner.
    async fn see_new(&self, route: &Route, key: &Key) -> Option<Sight> {
        Sight::of(&self.ask_new(route.seat, sight::look(key, false), route.deadline).await)
    }

    /// Asks the new owner what a client asked, in these words.
    async fn ask_as_client(&self, route: &Route, request: impl Into<Rc<Request>>) -> Reply {
        let request = request.into();
        Answer::to(|reply_to| self.lane.send(route.seat, request, reply_to), route.end).await
    }

    /// Whether a lease on the node that is asked is an item.
    fn has_placeholders(&self, route: &Route) -> bool {
        route.link.node().dialect == Dialect::Memcached && route.seat.node == Ok(route.seat.owner)
    }

    fn refuse(&self, job: Job, reply: Reply) {
        match reply {
            Reply::Failed(failure) => self.lane.calls().give_up(&job.request, failure, job.reply_to),
            reply => self.lane.calls().settle(&job.request, job.reply_to, reply),
        }
    }
}

fn plan(request: &Request) -> Plan {
    match request {
        Request::Store(store) if store.mode == StoreMode::Set => Plan::Set,
        Request::Delete(_) => Plan::Delete,
        Request::Meta(meta) if meta.has(b'C') || meta.has(b'I') => Plan::Conditional,
        Request::Meta(meta) => match meta.verb {
            MetaVerb::Set if meta.flags().all(|flag| flag[0] != b'M' || matches!(flag, b"M" | b"MS" | b"Ms")) => {
                Plan::Set
            }
            MetaVerb::Delete if meta.flags().all(|flag| b"bkOE".contains(&flag[0])) => Plan::Delete,
            _ => Plan::Conditional,
        },
        _ => Plan::Conditional,
    }
}
