//! Whether a node is to be asked: what workers see of it, and why.
//!
//! Workers report what they meet, the prober what it is told; the first to see too much takes the node out.
//! Reading costs a worker one load of a line that hardly ever changes. Time is an argument, but for how long it is out:
//! that must not follow a clock that is set.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

use super::history::{Change, History, Reason, State};
use super::quota::Quota;

/// So many good probes in a row while it is in, and a node that is put out once more has not relapsed: by the defaults,
/// a minute.
const SOUND: u32 = 60;

/// A node that relapses needs twice as many good probes each time, so many times: by the defaults, up to two minutes.
const DOUBLINGS: u32 = 6;

/// How much it takes to put a node out, and to let it in again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Consecutive failures of traffic, or of probes, until a node is out.
    pub eject_after: u32,
    /// Consecutive good probes until it is in again.
    pub readmit_after: u32,
}

/// One node's health, shared by all threads.
#[derive(Debug)]
pub struct Health {
    service: AtomicU8,
    /// Consecutive failures of traffic.
    failures: AtomicU32,
    /// By [`Reason`].
    ejections: [AtomicU64; Reason::OF_EJECTION.len()],
    quota: Arc<Quota>,
    record: Mutex<Record>,
    /// Tells each worker's connections when the service changes.
    changes: watch::Sender<Service>,
}

/// What a worker may ask of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Anything.
    In,
    /// Nothing: its keys go elsewhere.
    Out,
    /// Nothing, but its keys stay: too many nodes of the pool are out already.
    Held,
    /// Anything but the keys that it is being told to forget: these go elsewhere until it has.
    Joining,
}

#[derive(Debug)]
struct Record {
    tolerance: Tolerance,
    history: History,
    failed_probes: u32,
    good_probes: u32,
    /// How often in a row it failed soon after it was let in, though its probes were good all the time.
    relapses: u32,
    /// Good probes since it was let in.
    sound: u32,
    /// Whether it has a place of the quota.
    counted: bool,
    /// When it was put out.
    since: Option<Instant>,
    /// It has left its pool: it is none of those of whom so many may be out.
    departed: bool,
}

impl Health {
    /// A node that is in, and of which nothing is known.
    #[must_use]
    pub fn new(tolerance: Tolerance, quota: Arc<Quota>) -> Self {
        let record = Record {
            tolerance,
            history: History::new(),
            failed_probes: 0,
            good_probes: 0,
            relapses: 0,
            sound: SOUND,
            counted: false,
            since: None,
            departed: false,
        };
        Self {
            service: AtomicU8::new(Service::In as u8),
            failures: AtomicU32::new(0),
            ejections: Default::default(),
            quota,
            record: Mutex::new(record),
            changes: watch::Sender::new(Service::In),
        }
    }

    /// What may be asked of the node now.
    #[inline]
    #[must_use]
    pub fn service(&self) -> Service {
        match self.service.load(Relaxed) {
            0 => Service::In,
            1 => Service::Out,
            2 => Service::Held,
            _ => Service::Joining,
        }
    }

    /// How many nodes of its pool may be out at once.
    #[must_use]
    pub fn quota(&self) -> &Arc<Quota> {
        &self.quota
    }

    /// From now on, it takes so much.
    pub fn tolerate(&self, tolerance: Tolerance) {
        self.record().tolerance = tolerance;
    }

    /// The node has left its pool, and is asked for a while yet. Whether it may be put out is no more a matter of how
    /// many others are.
    pub fn depart(&self) {
        let record = &mut *self.record();
        record.departed = true;
        if std::mem::take(&mut record.counted) {
            self.quota.give_back();
        }
    }

    /// Follows the service from here on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Service> {
        self.changes.subscribe()
    }

    /// The state, and when and why it changed, the newest last.
    #[must_use]
    pub fn history(&self) -> (State, Vec<Change>) {
        let record = self.record();
        (record.history.state(), record.history.changes())
    }

    /// How often it was put out, by the reason.
    pub fn ejections(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::OF_EJECTION.into_iter().zip(&self.ejections).map(|(reason, count)| (reason, count.load(Relaxed)))
    }

    /// How many good probes in a row it takes until it is in again, should it be out.
    ///
    /// A node that answers its probes and fails whenever it is asked anything else would come and go for ever: each
    /// time that it fails soon after it was let in, it takes twice as many. A failed probe, or a while without
    /// failure, ends that.
    #[must_use]
    pub fn probes_to_readmit(&self) -> u32 {
        self.record().probes_to_readmit()
    }

    /// When it was put out, while it is.
    #[must_use]
    pub fn out_since(&self) -> Option<Instant> {
        self.record().since
    }

    /// A request was answered in time.
    #[inline]
    pub fn answered(&self, now: impl FnOnce() -> SystemTime) -> Option<Change> {
        if self.failures.load(Relaxed) == 0 {
            return None; // the common case writes nothing
        }
        self.failures.store(0, Relaxed);
        let mut record = self.record();
        match record.history.state() {
            State::Suspect if record.failed_probes == 0 => record.history.change(State::Up, Reason::Answered, now()),
            _ => None,
        }
    }

    /// A request or a connection failed; the change that it made.
    pub fn failed(&self, reason: Reason, now: SystemTime) -> Option<Change> {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        self.doubt(failures, reason, now, &mut self.record())
    }

    /// A probe failed; the change that it made.
    pub fn probe_failed(&self, reason: Reason, now: SystemTime) -> Option<Change> {
        let record = &mut *self.record();
        record.failed_probes = record.failed_probes.saturating_add(1);
        let change = match self.service() {
            Service::In => {
                record.good_probes = 0;
                self.doubt(record.failed_probes, reason, now, record)
            }
            Service::Held | Service::Out | Service::Joining => self.set_back(reason, now, record),
        };
        record.relapses = 0; // its probes tell how it is
        change
    }

    /// Its probes are good, and it could not be told what it has to forget: it relapses before it is in. The change
    /// that this made.
    pub(super) fn amends_failed(&self, reason: Reason, now: SystemTime) -> Option<Change> {
        let record = &mut *self.record();
        if self.service() == Service::In {
            return None;
        }
        record.relapses = (record.relapses + 1).min(DOUBLINGS);
        self.set_back(reason, now, record)
    }

    /// A node that is not in is as far from it as in the beginning.
    fn set_back(&self, reason: Reason, now: SystemTime, record: &mut Record) -> Option<Change> {
        record.good_probes = 0;
        self.take_place(record);
        self.put(record.out(), record);
        match record.history.state() {
            State::Probing => record.history.change(State::Ejected, reason, now),
            _ => None,
        }
    }

    /// A probe succeeded; whether the node is now to be readmitted, and the change that it made.
    pub fn probe_succeeded(&self, now: SystemTime) -> (bool, Option<Change>) {
        let record = &mut *self.record();
        record.failed_probes = 0;
        record.good_probes = record.good_probes.saturating_add(1);
        if self.service() == Service::In {
            record.sound = record.sound.saturating_add(1);
        }
        let (enough, change) = match self.service() {
            Service::In if record.history.state() == State::Suspect && self.failures.load(Relaxed) == 0 => {
                return (false, record.history.change(State::Up, Reason::Answered, now));
            }
            Service::In | Service::Joining => return (false, None),
            // Its keys never left: one good probe is enough, and there is nothing to make good.
            Service::Held => (1, None),
            Service::Out => (record.probes_to_readmit(), record.history.change(State::Probing, Reason::Answered, now)),
        };
        (record.good_probes >= enough, change)
    }

    /// Lets the node in again, but for the keys that it is being told to forget.
    pub(super) fn join(&self) {
        let record = &mut *self.record();
        self.failures.store(0, Relaxed);
        self.put(Service::Joining, record);
    }

    /// Lets a node that has joined in for all keys; nothing happens when it was put out meanwhile.
    pub(super) fn admit(&self, now: SystemTime) -> Option<Change> {
        let record = &mut *self.record();
        (self.service() == Service::Joining).then(|| self.let_in(record, now)).flatten()
    }

    /// Lets the node in again.
    pub fn readmit(&self, now: SystemTime) -> Option<Change> {
        let record = &mut *self.record();
        (self.service() != Service::In).then(|| self.let_in(record, now)).flatten()
    }

    fn let_in(&self, record: &mut Record, now: SystemTime) -> Option<Change> {
        self.failures.store(0, Relaxed);
        record.sound = 0;
        self.put(Service::In, record);
        record.history.change(State::Up, Reason::Probes, now)
    }

    /// Ejects, or suspects, a node that is in and has failed `failures` times in a row.
    fn doubt(&self, failures: u32, reason: Reason, now: SystemTime, record: &mut Record) -> Option<Change> {
        let service = self.service();
        if !service.is_asked() {
            return None;
        }
        if failures < record.tolerance.eject_after {
            let is_in = service == Service::In;
            return is_in.then(|| record.history.change(State::Suspect, reason, now)).flatten();
        }
        record.relapses = if record.sound < SOUND { (record.relapses + 1).min(DOUBLINGS) } else { 0 };
        self.take_place(record);
        if let Some(count) = self.ejections.get(reason as usize) {
            count.fetch_add(1, Relaxed);
        }
        record.good_probes = 0;
        self.put(record.out(), record);
        record.history.change(State::Ejected, reason, now)
    }

    fn take_place(&self, record: &mut Record) {
        record.counted = record.counted || !record.departed && self.quota.take();
    }

    fn put(&self, service: Service, record: &mut Record) {
        if service == Service::In && std::mem::take(&mut record.counted) {
            self.quota.give_back();
        }
        record.since = match service {
            Service::In => None,
            Service::Out | Service::Held | Service::Joining => record.since.or_else(|| Some(Instant::now())),
        };
        if self.service.swap(service as u8, Relaxed) != service as u8 {
            self.changes.send_replace(service);
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Health {
    /// A node that has left its pool is not one of those that are out of it.
    fn drop(&mut self) {
        if self.record().counted {
            self.quota.give_back();
        }
    }
}

impl Record {
    fn probes_to_readmit(&self) -> u32 {
        self.tolerance.readmit_after.saturating_mul(1 << self.relapses)
    }

    /// What becomes of a node that is put out: without a place of the quota, it is held.
    fn out(&self) -> Service {
        if self.counted || self.departed { Service::Out } else { Service::Held }
    }
}

impl Service {
    /// Whether anything may be asked of it.
    #[inline]
    #[must_use]
    pub fn is_asked(self) -> bool {
        matches!(self, Self::In | Self::Joining)
    }
}

#[cfg(test)]
mod tests;
