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
}

#[derive(Debug)]
struct Record {
    tolerance: Tolerance,
    history: History,
    failed_probes: u32,
    good_probes: u32,
    /// When it was put out.
    since: Option<Instant>,
}

impl Health {
    /// A node that is in, and of which nothing is known.
    #[must_use]
    pub fn new(tolerance: Tolerance, quota: Arc<Quota>) -> Self {
        let history = History::new();
        let record = Record { tolerance, history, failed_probes: 0, good_probes: 0, since: None };
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
            _ => Service::Held,
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
        record.good_probes = 0;
        record.failed_probes = record.failed_probes.saturating_add(1);
        match self.service() {
            Service::In => self.doubt(record.failed_probes, reason, now, record),
            Service::Held if self.quota.take() => {
                self.put(Service::Out, record);
                None
            }
            Service::Held | Service::Out => match record.history.state() {
                State::Probing => record.history.change(State::Ejected, reason, now),
                _ => None,
            },
        }
    }

    /// A probe succeeded; whether the node is now to be readmitted, and the change that it made.
    pub fn probe_succeeded(&self, now: SystemTime) -> (bool, Option<Change>) {
        let record = &mut *self.record();
        record.failed_probes = 0;
        record.good_probes = record.good_probes.saturating_add(1);
        let (enough, change) = match self.service() {
            Service::In if record.history.state() == State::Suspect && self.failures.load(Relaxed) == 0 => {
                return (false, record.history.change(State::Up, Reason::Answered, now));
            }
            Service::In => return (false, None),
            // Its keys never left: one good probe is enough, and there is nothing to make good.
            Service::Held => (1, None),
            Service::Out => {
                (record.tolerance.readmit_after, record.history.change(State::Probing, Reason::Answered, now))
            }
        };
        (record.good_probes >= enough, change)
    }

    /// Lets the node in again.
    pub fn readmit(&self, now: SystemTime) -> Option<Change> {
        let record = &mut *self.record();
        if self.service() == Service::In {
            return None;
        }
        self.failures.store(0, Relaxed);
        self.put(Service::In, record);
        record.history.change(State::Up, Reason::Probes, now)
    }

    /// Ejects, or suspects, a node that is in and has failed `failures` times in a row.
    fn doubt(&self, failures: u32, reason: Reason, now: SystemTime, record: &mut Record) -> Option<Change> {
        if self.service() != Service::In {
            return None;
        }
        if failures < record.tolerance.eject_after {
            return record.history.change(State::Suspect, reason, now);
        }
        let service = if self.quota.take() { Service::Out } else { Service::Held };
        if let Some(count) = self.ejections.get(reason as usize) {
            count.fetch_add(1, Relaxed);
        }
        record.good_probes = 0;
        self.put(service, record);
        record.history.change(State::Ejected, reason, now)
    }

    fn put(&self, service: Service, record: &mut Record) {
        if self.service() == Service::Out {
            self.quota.give_back();
        }
        record.since = match service {
            Service::In => None,
            Service::Out | Service::Held => record.since.or_else(|| Some(Instant::now())),
        };
        self.service.store(service as u8, Relaxed);
        self.changes.send_replace(service);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Health {
    /// A node that has left its pool is not one of those that are out of it.
    fn drop(&mut self) {
        if self.service() == Service::Out {
            self.quota.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TOLERANCE: Tolerance = Tolerance { eject_after: 3, readmit_after: 2 };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn fail(health: &Health, times: u32) {
        for _ in 0..times {
            health.failed(Reason::Timeout, at(1));
        }
    }

    #[test]
    fn a_node_is_out_after_so_many_failures_in_a_row_and_in_after_so_many_good_probes() {
        let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
        fail(&health, 2);
        assert_eq!(health.history().0, State::Suspect);
        health.answered(|| at(2));
        fail(&health, 2);
        assert_eq!(health.service(), Service::In);
        fail(&health, 1);
        assert_eq!((health.service(), health.history().0), (Service::Out, State::Ejected));

        assert!(!health.probe_succeeded(at(3)).0);
        assert_eq!(health.history().0, State::Probing);
        health.probe_failed(Reason::Unreachable, at(4));
        assert_eq!(health.history().0, State::Ejected);
        assert!(!health.probe_succeeded(at(5)).0);
        assert!(health.probe_succeeded(at(6)).0);
        assert_eq!(health.service(), Service::Out, "only the readmission lets it in");
        assert_eq!(health.readmit(at(7)).unwrap().state, State::Up);
        assert_eq!(health.service(), Service::In);
    }

    #[test]
    fn probes_alone_eject_and_do_not_hide_failing_traffic() {
        let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
        for _ in 0..3 {
            health.probe_failed(Reason::Unreachable, at(1));
        }
        assert_eq!(health.service(), Service::Out);

        let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
        for _ in 0..3 {
            health.failed(Reason::Timeout, at(1));
            health.probe_succeeded(at(1));
        }
        assert_eq!(health.service(), Service::Out);
    }

    #[test]
    fn past_max_ejected_nodes_are_held_and_their_keys_stay() {
        let quota = Quota::new(4, 0.5);
        let nodes: Vec<_> = (0..3).map(|_| Health::new(TOLERANCE, quota.clone())).collect();
        nodes.iter().for_each(|node| fail(node, 3));
        let services = || nodes.iter().map(Health::service).collect::<Vec<_>>();
        assert_eq!(services(), [Service::Out, Service::Out, Service::Held]);

        nodes[0].readmit(at(2));
        nodes[2].probe_failed(Reason::Unreachable, at(2));
        assert_eq!(services(), [Service::In, Service::Out, Service::Out]);

        let alone = Health::new(TOLERANCE, Quota::new(1, 0.5));
        fail(&alone, 3);
        assert_eq!(alone.service(), Service::Held);
        assert!(alone.probe_succeeded(at(3)).0);
    }

    #[test]
    fn a_node_that_is_gone_leaves_its_place_among_those_that_are_out() {
        let quota = Quota::new(2, 0.5);
        let gone = Health::new(TOLERANCE, quota.clone());
        fail(&gone, 3);
        assert_eq!(gone.service(), Service::Out);
        let next = Health::new(TOLERANCE, quota.clone());
        fail(&next, 3);
        assert_eq!(next.service(), Service::Held);
        drop(gone);
        next.probe_failed(Reason::Timeout, at(2));
        assert_eq!(next.service(), Service::Out);
        let third = Health::new(TOLERANCE, quota.clone());
        quota.allow(4, 0.5);
        fail(&third, 3);
        assert_eq!(third.service(), Service::Out);
    }

    #[test]
    fn a_node_takes_as_much_as_it_is_told_to() {
        let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
        fail(&health, 2);
        health.tolerate(Tolerance { eject_after: 5, ..TOLERANCE });
        fail(&health, 2);
        assert_eq!(health.service(), Service::In);
        fail(&health, 1);
        assert_eq!(health.service(), Service::Out);
    }

    #[test]
    fn those_who_follow_hear_of_a_change() {
        let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
        let mut changes = health.changes();
        fail(&health, 3);
        assert!(changes.has_changed().unwrap());
        assert_eq!(*changes.borrow_and_update(), Service::Out);
    }
}
