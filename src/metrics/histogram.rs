//! Durations in buckets that double.

use std::time::Duration;

use super::Counter;

/// The first bucket's upper bound, in nanoseconds: below what a request to another process takes.
const FIRST: u64 = 32_000;

/// 32 µs, 64 µs, 128 µs … 4.2 s, and one for all that took longer.
const BUCKETS: usize = 19;

/// How long requests took. One writer; no look-up, no branch by the value.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    nanoseconds: Counter,
}

/// One duration with its bucket found: many requests of a batch took equally long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    nanoseconds: u64,
    bucket: u8,
}

/// The sum of some histograms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many took at most each of [`Spread::bounds`], and, as the last, how many there were.
    pub cumulative: [u64; BUCKETS],
    /// All of them together, in seconds.
    pub seconds: f64,
}

impl Took {
    /// The bucket of a duration.
    #[inline]
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        let nanoseconds = duration.as_secs().wrapping_mul(1_000_000_000) + u64::from(duration.subsec_nanos());
        let doublings = u64::BITS - (nanoseconds.saturating_sub(1) / FIRST).leading_zeros();
        #[allow(clippy::cast_possible_truncation)] // less than BUCKETS
        Self { nanoseconds, bucket: doublings.min(BUCKETS as u32 - 1) as u8 }
    }
}

impl Histogram {
    /// Counts `times` requests that took so long each.
    #[inline]
    pub fn count(&self, took: Took, times: u64) {
        self.buckets[usize::from(took.bucket)].add(times);
        self.nanoseconds.add(took.nanoseconds.wrapping_mul(times));
    }
}

impl Spread {
    /// Adds what a histogram has counted.
    pub fn add(&mut self, histogram: &Histogram) {
        let mut below = 0;
        for (sum, bucket) in self.cumulative.iter_mut().zip(&histogram.buckets) {
            below += bucket.value();
            *sum += below;
        }
        #[allow(clippy::cast_precision_loss)] // to the nanosecond for three months
        {
            self.seconds += histogram.nanoseconds.value() as f64 / 1e9;
        }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.cumulative[BUCKETS - 1]
    }

    /// The upper bounds in seconds of all buckets but the last, which has none.
    pub fn bounds() -> impl Iterator<Item = f64> {
        #[allow(clippy::cast_precision_loss)]
        (0..BUCKETS - 1).map(|doublings| ((FIRST / 1000) << doublings) as f64 / 1e6)
    }
}

impl std::ops::AddAssign<&Self> for Spread {
    fn add_assign(&mut self, other: &Self) {
        self.cumulative.iter_mut().zip(other.cumulative).for_each(|(sum, count)| *sum += count);
        self.seconds += other.seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_whose_bound_is_not_below_it() {
        for (index, bound) in Spread::bounds().enumerate() {
            let bound = Duration::from_secs_f64(bound);
            assert_eq!(usize::from(Took::new(bound).bucket), index);
            assert_eq!(usize::from(Took::new(bound + Duration::from_nanos(1)).bucket), index + 1);
        }
        assert_eq!(Took::new(Duration::ZERO).bucket, 0);
        assert_eq!(usize::from(Took::new(Duration::MAX).bucket), BUCKETS - 1);
    }

    #[test]
    fn sums_are_cumulative() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.count(Took::new(Duration::from_micros(10)), 3);
        other.count(Took::new(Duration::from_micros(40)), 1);
        let mut spread = Spread::default();
        spread.add(&one);
        spread.add(&other);
        assert_eq!(spread.cumulative[..3], [3, 4, 4]);
        assert_eq!(spread.count(), 4);
        assert!((spread.seconds - 0.000_07).abs() < 1e-12, "{}", spread.seconds);
    }
}
