//! What became of the configuration.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// How many reloads are remembered.
const HISTORY: usize = 20;

/// The reloads of a process. Rare, so a lock is good enough.
#[derive(Debug)]
pub struct Reloads(Mutex<Record>);

#[derive(Debug)]
struct Record {
    succeeded: u64,
    failed: u64,
    last_success: SystemTime,
    history: VecDeque<(SystemTime, Result<(), String>)>,
}

impl Reloads {
    /// None yet; what was read at `start` holds.
    #[must_use]
    pub fn new(start: SystemTime) -> Self {
        Self(Mutex::new(Record { succeeded: 0, failed: 0, last_success: start, history: VecDeque::new() }))
    }

    /// A reload was carried out, or refused with these words.
    pub fn tell(&self, at: SystemTime, outcome: Result<(), String>) {
        let mut record = self.record();
        if outcome.is_ok() {
            record.succeeded += 1;
            record.last_success = at;
        } else {
            record.failed += 1;
        }
        if record.history.len() == HISTORY {
            record.history.pop_front();
        }
        record.history.push_back((at, outcome));
    }

    /// How many succeeded, and how many failed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let record = self.record();
        (record.succeeded, record.failed)
    }

    /// When what is in use was read.
    #[must_use]
    pub fn last_success(&self) -> SystemTime {
        self.record().last_success
    }

    /// When reloads were, and why one was refused, the newest last.
    #[must_use]
    pub fn history(&self) -> Vec<(SystemTime, Result<(), String>)> {
        self.record().history.iter().cloned().collect()
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refused_reload_leaves_the_time_of_the_last_success() {
        let reloads = Reloads::new(SystemTime::UNIX_EPOCH);
        reloads.tell(SystemTime::UNIX_EPOCH + Duration::from_secs(1), Err("no".into()));
        assert_eq!((reloads.counts(), reloads.last_success()), ((0, 1), SystemTime::UNIX_EPOCH));
        reloads.tell(SystemTime::UNIX_EPOCH + Duration::from_secs(2), Ok(()));
        assert_eq!(reloads.last_success(), SystemTime::UNIX_EPOCH + Duration::from_secs(2));
        assert_eq!(reloads.history().len(), 2);
    }
}
