//! Metrics in the words of the prometheus crate.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::metrics::Spread;

/// The value of each label, in pairs with its name.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// One metric of some labels.
pub(super) struct Family {
    family: MetricFamily,
    metrics: Vec<Metric>,
}

impl Family {
    pub(super) fn counter(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::COUNTER)
    }

    pub(super) fn gauge(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::GAUGE)
    }

    pub(super) fn histogram(name: &str, help: &str) -> Self {
        Self::new(name, help, MetricType::HISTOGRAM)
    }

    fn new(name: &str, help: &str, kind: MetricType) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self { family, metrics: Vec::new() }
    }

    /// Adds a sample of a counter or a gauge.
    pub(super) fn put(&mut self, labels: Labels<'_>, value: f64) {
        let mut metric = Metric::from_label(pairs(labels));
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
    }

    /// Adds a count.
    #[allow(clippy::cast_precision_loss)] // Prometheus has nothing but floats
    pub(super) fn count(&mut self, labels: Labels<'_>, value: u64) {
        self.put(labels, value as f64);
    }

    /// Adds a histogram.
    pub(super) fn spread(&mut self, labels: Labels<'_>, spread: &Spread) {
        let bucket = |(bound, count): (f64, &u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(*count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(Spread::bounds().zip(&spread.cumulative).map(bucket).collect());
        histogram.set_sample_count(spread.count());
        histogram.set_sample_sum(spread.seconds);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.metrics.push(metric);
    }

    /// The finished metric; none when there is no sample, which the text format does not allow.
    pub(super) fn finish(mut self) -> Option<MetricFamily> {
        let any = !self.metrics.is_empty();
        self.family.set_metric(self.metrics);
        any.then_some(self.family)
    }
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}
