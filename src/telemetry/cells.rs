//! Counters, gauges and histograms that one thread writes and the scrape sums.
//!
//! Its own module because of what the request path may cost: a counter shared by all workers
//! makes its cache line travel between cores at every request. Here each worker that asks
//! [`super::series::Series`] for a handle gets a cell of its own; a handle that is shared
//! nevertheless still counts right, only slower.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus::proto;

/// What a handle writes to, and how many of them add up to one sample.
pub trait Cell: Clone + Default + Send + Sync + 'static {
    /// The `# TYPE` of the family.
    const KIND: proto::MetricType;

    /// One sample without labels, from all cells of a label set.
    fn sum<'a>(cells: impl Iterator<Item = &'a Self>) -> proto::Metric;
}

/// A count that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Adds `n`.
    pub fn inc_by(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// What was counted through this handle and its clones; other workers' cells are not in it.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Cell for Counter {
    const KIND: proto::MetricType = proto::MetricType::COUNTER;

    fn sum<'a>(cells: impl Iterator<Item = &'a Self>) -> proto::Metric {
        let mut counter = proto::Counter::default();
        counter.set_value(cells.map(Self::value).sum::<u64>() as f64);
        let mut metric = proto::Metric::default();
        metric.set_counter(counter);
        metric
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Adds one.
    pub fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Takes one away; may be called by another thread than the one that added it.
    pub fn dec(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Replaces the value of this handle's cell.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// The value of this handle's cell.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

impl Cell for Gauge {
    const KIND: proto::MetricType = proto::MetricType::GAUGE;

    fn sum<'a>(cells: impl Iterator<Item = &'a Self>) -> proto::Metric {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(cells.map(Self::value).sum::<i64>() as f64);
        proto::Metric::from_gauge(gauge)
    }
}

/// Upper bounds of the buckets, inclusive, in microseconds: 0.5 ms to 60 s.
const BOUNDS_MICROS: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];

/// Durations, sorted into buckets from 0.5 ms to 60 s and shown in seconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    /// Not cumulative; the last one is for everything above the last bound.
    counts: [AtomicU64; BOUNDS_MICROS.len() + 1],
    /// Wraps after 584 years of measured time.
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| bound * 1_000 < nanos);
        self.0.counts[bucket].fetch_add(1, Relaxed);
        self.0.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// How many durations this handle and its clones have counted.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

impl Cell for Histogram {
    const KIND: proto::MetricType = proto::MetricType::HISTOGRAM;

    fn sum<'a>(cells: impl Iterator<Item = &'a Self>) -> proto::Metric {
        let mut counts = [0u64; BOUNDS_MICROS.len() + 1];
        let mut nanos = 0u64;
        for cell in cells {
            for (total, count) in counts.iter_mut().zip(&cell.0.counts) {
                *total += count.load(Relaxed);
            }
            nanos = nanos.wrapping_add(cell.0.sum_nanos.load(Relaxed));
        }
        let mut cumulative = 0;
        let bucket = |(bound, count): (&u64, &u64)| {
            cumulative += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound as f64 / 1e6);
            bucket.set_cumulative_count(cumulative);
            bucket
        };
        let buckets: Vec<_> = BOUNDS_MICROS.iter().zip(&counts).map(bucket).collect();
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(counts.iter().sum());
        histogram.set_sample_sum(nanos as f64 / 1e9);
        let mut metric = proto::Metric::default();
        metric.set_histogram(histogram);
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(durations: &[Duration]) -> Vec<u64> {
        let histogram = Histogram::default();
        for duration in durations {
            histogram.observe(*duration);
        }
        let metric = Histogram::sum([&histogram].into_iter());
        metric.get_histogram().get_bucket().iter().map(proto::Bucket::cumulative_count).collect()
    }

    #[test]
    fn a_bucket_holds_its_upper_bound_and_not_a_nanosecond_more() {
        assert_eq!(counts(&[Duration::from_micros(500)])[..2], [1, 1]);
        assert_eq!(counts(&[Duration::from_nanos(500_001)])[..2], [0, 1]);
        assert_eq!(counts(&[Duration::ZERO])[0], 1);
        assert_eq!(counts(&[Duration::from_secs(60)])[14..], [0, 1]);
        assert_eq!(counts(&[Duration::from_nanos(60_000_000_001)])[15], 0);
    }

    #[test]
    fn a_histogram_shows_seconds_and_counts_what_lies_above_all_buckets() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(1_500));
        histogram.observe(Duration::MAX);
        let metric = Histogram::sum([&histogram].into_iter());
        assert_eq!(metric.get_histogram().get_sample_count(), 2);
        assert_eq!(histogram.count(), 2);
        let one = Histogram::default();
        one.observe(Duration::from_millis(1_500));
        assert!((Histogram::sum([&one].into_iter()).get_histogram().get_sample_sum() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn cells_of_several_workers_add_up() {
        let (one, two) = (Counter::default(), Counter::default());
        one.inc();
        two.inc_by(2);
        assert_eq!(Counter::sum([&one, &two].into_iter()).get_counter().get_value(), 3.0);
        let (up, down) = (Gauge::default(), Gauge::default());
        up.inc();
        up.inc();
        down.dec();
        assert_eq!(Gauge::sum([&up, &down].into_iter()).get_gauge().get_value(), 1.0);
    }
}
