//! A node of a pool, as all workers see it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use super::dialect::Dialect;
use super::embedded::Store;
use super::health::{Health, Service, Tolerance};
use super::history::{Change, Reason, State};
use super::journal::{Amends, Journal};
use super::quota::Quota;
use crate::model::{Endpoint, Key};

/// One server of a pool, or a store inside this process.
#[derive(Debug)]
pub struct Node {
    /// The pool that it belongs to, for logs.
    pub pool: String,
    /// How logs, metrics and people name it.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What is spoken with it.
    pub dialect: Dialect,
    /// How long to wait for it and how much to ask of it at once; see [`Node::settings`].
    settings: ArcSwap<Settings>,
    /// Whether it is to be asked.
    pub health: Health,
    /// What was written elsewhere while it was out.
    journal: Mutex<Journal>,
}

/// Where a node is.
pub enum Place {
    /// In this process.
    Embedded(Arc<Store>),
    /// Behind a socket.
    Remote(Endpoint),
    /// A whole Redis Cluster, which places the keys itself.
    Cluster(Seeds),
}

/// How a cluster is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// Any of its servers, asked in turn for the others.
    pub endpoints: Vec<Endpoint>,
    /// Whether reads go to replicas, which may be behind.
    pub replicas: bool,
}

/// What a pool says about its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Connections of each worker.
    pub connections: usize,
    /// The longest that making one may take.
    pub connect_timeout: Duration,
    /// The longest that a request may wait for its answer.
    pub request_timeout: Duration,
    /// The most requests that wait on one connection.
    pub max_inflight: usize,
    /// The largest value that a node may send, in bytes.
    pub value_size: usize,
    /// Between two probes.
    pub probe_interval: Duration,
    /// The longest that a probe may take.
    pub probe_timeout: Duration,
    /// How much it takes to put the node out, and to let it in again.
    pub tolerance: Tolerance,
    /// What is done to it before it is let in again.
    pub readmission: Readmission,
}

/// What is done to a node before it is let in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readmission {
    /// What was written elsewhere meanwhile is deleted on it.
    Replay,
    /// It is flushed.
    Flush,
    /// Nothing.
    Keep,
}

impl Node {
    /// A node nobody has talked to yet.
    #[must_use]
    pub fn new(
        pool: &str,
        name: String,
        (place, dialect): (Place, Dialect),
        settings: Settings,
        quota: Arc<Quota>,
    ) -> Self {
        let health = Health::new(settings.tolerance, quota);
        let settings = ArcSwap::from_pointee(settings);
        Self { pool: pool.to_owned(), name, place, dialect, settings, health, journal: Mutex::default() }
    }

    /// How long to wait for it and how much to ask of it at once. A connection takes its copy when a worker opens a
    /// topology; what asks rarely asks here.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Goes on with other settings, and with the health, the journal and the connections that it has.
    pub fn adopt(&self, settings: Settings) {
        self.health.tolerate(settings.tolerance);
        self.settings.store(Arc::new(settings));
    }

    /// The node answered in time.
    #[inline]
    pub(super) fn answered(&self) {
        let change = self.health.answered(SystemTime::now);
        if change.is_some() {
            self.tell(change, &"");
        }
    }

    /// A request or a connection failed.
    pub(super) fn failed(&self, reason: Reason, error: &dyn fmt::Display) {
        self.tell(self.health.failed(reason, SystemTime::now()), error);
    }

    /// A probe failed.
    pub fn probe_failed(&self, reason: Reason, error: &dyn fmt::Display) {
        self.tell(self.health.probe_failed(reason, SystemTime::now()), error);
    }

    /// It answers its probes, and could not be told what it has to forget.
    pub fn amends_failed(&self, reason: Reason, error: &dyn fmt::Display) {
        self.tell(self.health.amends_failed(reason, SystemTime::now()), error);
    }

    /// A probe succeeded; whether the node is now to be let in again.
    #[must_use]
    pub fn probe_succeeded(&self) -> bool {
        let (enough, change) = self.health.probe_succeeded(SystemTime::now());
        self.tell(change, &"");
        enough
    }

    /// Whether the node answers for `key` now: that it is in, and not being told to forget it.
    #[must_use]
    pub fn serves(&self, key: &Key) -> bool {
        match self.health.service() {
            Service::In => true,
            Service::Out | Service::Held => false,
            Service::Joining => !self.journal().has(key),
        }
    }

    /// Notes, while the node is out or held, that `key` (or with `None` every key) is written elsewhere; whether
    /// it is.
    ///
    /// Where it is not, the write is the node's own: it was let in again a moment ago.
    #[must_use]
    pub fn note_write(&self, key: Option<&Key>) -> bool {
        let mut journal = self.journal();
        match self.health.service() {
            Service::In => return false,
            Service::Joining => return key.is_some_and(|key| journal.has(key)),
            Service::Out | Service::Held => {}
        }
        if self.settings.load().readmission != Readmission::Keep {
            match key {
                Some(key) => journal.note(key),
                None => journal.note_all(),
            }
        }
        true
    }

    /// Lets the node in again if nothing was written elsewhere that it does not know of; else what has to be made
    /// good before. No write gets between the look and the step.
    pub fn readmit(&self) -> Result<(), Amends> {
        let mut journal = self.journal();
        if let Some(amends) = journal.take() {
            return Err(amends);
        }
        let change = self.health.readmit(SystemTime::now());
        drop(journal);
        self.tell(change, &"");
        Ok(())
    }

    /// Lets the node in for all keys but those that were written elsewhere: these it has to forget, and then be
    /// [admitted](Self::admit). Else what has to be made good before.
    ///
    /// For a node whose stand-ins are written to without a pause, so that [`Self::readmit`] never finds nothing noted.
    pub fn join(&self) -> Result<Vec<Key>, Amends> {
        let mut journal = self.journal();
        match journal.keys() {
            Some(keys) => {
                self.health.join();
                Ok(keys)
            }
            None => Err(journal.take().unwrap_or(Amends::Flush)),
        }
    }

    /// Lets a node that has joined in for the keys that it has forgotten; whether it was not put out meanwhile.
    #[must_use]
    pub fn admit(&self) -> bool {
        let mut journal = self.journal();
        let change = self.health.admit(SystemTime::now());
        if change.is_some() {
            drop(journal.take());
        }
        drop(journal);
        self.tell(change, &"");
        change.is_some()
    }

    /// Takes what was written elsewhere, of which the node needs to know nothing: it is empty.
    #[must_use]
    pub fn forgive(&self) -> Option<Amends> {
        self.journal().take()
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line of log for a change.
    fn tell(&self, change: Option<Change>, error: &dyn fmt::Display) {
        let Some(Change { state, reason, .. }) = change else { return };
        let (pool, node, reason) = (&self.pool, &self.name, reason.label());
        match state {
            State::Ejected => {
                if self.health.service() == Service::Held {
                    return tracing::warn!(pool, node, reason, held = true, %error, "{HELD}");
                }
                let readmit_after = self.health.probes_to_readmit();
                tracing::warn!(pool, node, reason, held = false, readmit_after, %error, "node ejected");
            }
            State::Up if reason == Reason::Probes.label() => tracing::info!(pool, node, "node readmitted"),
            State::Up | State::Suspect | State::Probing => {
                tracing::debug!(pool, node, reason, %error, state = state.label(), "node state");
            }
        }
    }
}

/// Of a node that is `held`.
const HELD: &str = "node ejected, but its keys stay with it: no more of its pool may be out (health.max_ejected)";

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(_) => f.write_str("embedded"),
            Self::Remote(endpoint) => endpoint.fmt(f),
            Self::Cluster(seeds) => seeds.endpoints.fmt(f),
        }
    }
}
