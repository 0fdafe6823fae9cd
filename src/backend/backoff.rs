//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// The first attempt after a connection that worked is made at once; the next ones wait from here on.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that double, each between half of itself and itself, so that workers and sidecars do not come back
/// in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The wait before the next attempt: nothing for the first.
    pub(super) fn next(&mut self) -> Duration {
        let attempt = self.attempts;
        self.attempts = attempt.saturating_add(1);
        if attempt == 0 {
            return Duration::ZERO;
        }
        let wait = FIRST.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST);
        wait.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// The connection has worked: the next attempt is a first one.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(), Duration::ZERO);
        for attempt in 0..40 {
            let most = FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
            let wait = backoff.next();
            assert!(wait >= most / 2 && wait <= most, "{attempt}: {wait:?}");
        }
        backoff.reset();
        assert_eq!(backoff.next(), Duration::ZERO);
    }
}
