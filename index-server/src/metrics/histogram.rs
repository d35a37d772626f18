use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in microseconds.
const BOUNDS: [u64; 16] = [
    50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 10_000_000,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The counts per bucket: durations up to its bound and above the previous one.
    counts: [AtomicU64; BOUNDS.len()],
    /// The count of durations above all bounds.
    overflow: AtomicU64,
    /// The sum of all durations in microseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// Records a duration.
    pub(crate) fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound);
        bucket
            .and_then(|bucket| self.counts.get(bucket))
            .unwrap_or(&self.overflow)
            .fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Returns the number of recorded durations.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().chain([&self.overflow]).map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Writes the histogram in Prometheus format.
    pub(super) fn write(&self, out: &mut String, name: &str, help: &str) -> fmt::Result {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        let mut count = 0;
        for (bound, in_bucket) in BOUNDS.iter().zip(&self.counts) {
            count += in_bucket.load(Ordering::Relaxed);
            let bound = Duration::from_micros(*bound).as_secs_f64();
            writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {count}")?;
        }
        count += self.overflow.load(Ordering::Relaxed);
        let sum = Duration::from_micros(self.sum.load(Ordering::Relaxed)).as_secs_f64();
        writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let histogram = Histogram::default();
        for micros in [50, 51, 2_000_000, 60_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram.write(&mut text, "x", "Help.").unwrap();
        for line in [
            "x_bucket{le=\"0.00005\"} 1",
            "x_bucket{le=\"0.0001\"} 2",
            "x_bucket{le=\"1\"} 2",
            "x_bucket{le=\"5\"} 3",
            "x_bucket{le=\"10\"} 3",
            "x_bucket{le=\"+Inf\"} 4",
            "x_sum 62.000101",
            "x_count 4",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
    }
}
