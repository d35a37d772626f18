//! Measurements and their medians.

use std::time::Duration;

use super::receiver::TransferCost;

/// One run of one contender.
#[derive(Debug)]
pub(super) struct Sample {
    /// The cost to the receiver.
    pub(super) received: TransferCost,
    /// CPU time of the senders during the run.
    pub(super) sender_cpu: Duration,
    /// Rate reported by the program itself, in MB/s.
    pub(super) reported_rate: Option<f64>,
}

/// All runs of one contender with one number of sources, by round. `None` where the contender failed or did not run.
#[derive(Debug, Default)]
pub(super) struct Figures(pub(super) Vec<Option<Sample>>);

/// Median, minimum and maximum of a set of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MedianAndRange {
    /// The median.
    pub(super) median: f64,
    /// The least.
    pub(super) min: f64,
    /// The most.
    pub(super) max: f64,
}

impl MedianAndRange {
    /// Computes the figures of `values`, or `None` if there are none.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Some(Self { median, min: least, max: most })
    }
}

impl Figures {
    /// Returns the median and range of one value of every run.
    pub(super) fn spread(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<MedianAndRange> {
        MedianAndRange::of(self.0.iter().flatten().filter_map(of))
    }

    /// Returns the speed relative to `other`: the median ratio over the rounds in which both ran.
    pub(super) fn median_ratio(&self, other: &Self) -> Option<f64> {
        let rounds = self.0.iter().zip(&other.0);
        let both = rounds.filter_map(|(one, other)| Some((one.as_ref()?, other.as_ref()?)));
        let ratios =
            both.map(|(one, other)| one.received.wall.as_secs_f64() / other.received.wall.as_secs_f64());
        MedianAndRange::of(ratios).map(|spread| spread.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(walls: &[Option<u64>]) -> Figures {
        let sample = |seconds: u64| Sample {
            received: TransferCost {
                wall: Duration::from_secs(seconds),
                cpu: Duration::ZERO,
                memory: 0,
                done_line: None,
            },
            sender_cpu: Duration::ZERO,
            reported_rate: None,
        };
        Figures(walls.iter().map(|wall| wall.map(sample)).collect())
    }

    #[test]
    fn median_is_the_middle_or_the_mean_of_the_two_middle_values() {
        let spread = |values: &[f64]| MedianAndRange::of(values.iter().copied());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(MedianAndRange { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(MedianAndRange { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_computed_per_round() {
        let (slow, fast) = (runs(&[Some(4), Some(8), None]), runs(&[Some(2), Some(2), Some(1)]));
        assert_eq!(slow.median_ratio(&fast), Some(3.0));
        assert_eq!(runs(&[None]).median_ratio(&fast), None);
    }
}
