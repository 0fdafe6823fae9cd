//! Durations into buckets, and out of them at a scrape.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use ketch::metrics::{Histogram, Spread, Took};

/// More than a branch predictor learns by heart.
const REQUESTS: usize = 4096;

/// One duration a request.
pub fn count(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("histogram");
    let mut random = fastrand::Rng::with_seed(42);
    let times: Vec<Duration> = (0..REQUESTS).map(|_| Duration::from_nanos(1 << random.u32(10..33))).collect();
    let histogram = Histogram::default();
    group.throughput(Throughput::Elements(REQUESTS as u64));
    group.bench_function("count", |bencher| {
        bencher.iter(|| times.iter().for_each(|time| histogram.count(Took::new(*time), 1)));
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("sum", |bencher| {
        let mut spread = Spread::default();
        bencher.iter(|| spread.add(black_box(&histogram)));
    });
}
