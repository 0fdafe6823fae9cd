//! Time as memcached counts it, and what a time to live means.

use std::sync::OnceLock;

use crate::model::Expiry;

/// A Unix time in seconds: what the caller's clock says when it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub u32);

/// Above this a time to live is a Unix time; 30 days.
const LONGEST_RELATIVE: i32 = 60 * 60 * 24 * 30;

/// memcached sets the start of its time this many seconds before its real start, so that no moment is 0.
const BEFORE_START: u32 = 62;

/// Counts seconds from shortly before the store was first used, as memcached does from its own start.
///
/// It shows: a time to live below 0 puts an item's end at second 1, and `t` answers how far away that is.
#[derive(Debug, Default)]
pub(super) struct Clock(OnceLock<u32>);

/// One moment on a [`Clock`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Seconds since the clock's start; never 0 while time goes forward.
    pub at: u32,
    start: u32,
}

impl Clock {
    pub fn moment(&self, now: Now) -> Moment {
        let start = *self.0.get_or_init(|| now.0.saturating_sub(BEFORE_START));
        Moment { at: now.0.saturating_sub(start), start }
    }
}

impl Moment {
    /// The second in which an item with this time to live is over; 0 for never.
    pub fn deadline(self, expiry: Expiry) -> u32 {
        match expiry.0 {
            0 => 0,
            seconds @ 1..=LONGEST_RELATIVE => self.at.saturating_add(seconds.unsigned_abs()),
            // A time before the start, and anything negative, is long over.
            unix => u32::try_from(unix).ok().and_then(|unix| unix.checked_sub(self.start)).unwrap_or(1).max(1),
        }
    }

    /// Seconds since `then`.
    pub fn since(self, then: u32) -> u32 {
        self.at.saturating_sub(then)
    }

    /// What `t` answers: seconds until `deadline`, -1 for never; of a deadline in the past the difference as
    /// an unsigned number, which is what memcached prints.
    pub fn left(self, deadline: u32) -> Option<u32> {
        (deadline != 0).then(|| deadline.wrapping_sub(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_relative_absolute_or_over() {
        let clock = Clock::default();
        clock.moment(Now(1_000_062));
        let when = clock.moment(Now(1_000_100));
        assert_eq!(when.at, 100);
        for (seconds, deadline) in [
            (0, 0),
            (1, 101),
            (LONGEST_RELATIVE, 100 + 2_592_000),
            (LONGEST_RELATIVE + 1, 2_592_001 - 1_000_000),
            (-1, 1),
            (i32::MIN, 1),
        ] {
            assert_eq!(when.deadline(Expiry(seconds)), deadline, "{seconds}");
        }
    }

    #[test]
    fn a_unix_time_before_the_start_is_over() {
        let clock = Clock::default();
        let when = clock.moment(Now(2_000_000_062));
        assert_eq!(when.deadline(Expiry(1_999_999_999)), 1);
        assert_eq!(when.deadline(Expiry(2_000_000_000)), 1);
        assert_eq!(when.deadline(Expiry(2_000_000_100)), 100);
    }

    #[test]
    fn time_that_goes_back_does_not_wrap() {
        let clock = Clock::default();
        let later = clock.moment(Now(1_000));
        let before = clock.moment(Now(1));
        assert_eq!(before.at, 0);
        assert_eq!(before.since(later.at), 0);
    }

    #[test]
    fn what_is_left_of_a_past_deadline_is_memcacheds_huge_number() {
        let when = Clock::default().moment(Now(1_000));
        assert_eq!(when.left(0), None);
        assert_eq!(when.left(when.at + 5), Some(5));
        assert_eq!(when.left(1), Some(u32::MAX - 60));
    }
}
