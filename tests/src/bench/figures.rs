//! What was measured, and its medians.

use std::time::Duration;

use super::receiver::Received;

/// One run of one contender.
#[derive(Debug)]
pub(super) struct Sample {
    /// What it cost the receiver.
    pub(super) received: Received,
    /// The processor time of the senders meanwhile.
    pub(super) sending: Duration,
    /// The rate that the program itself claims, in MB/s.
    pub(super) own_rate: Option<f64>,
}

/// All runs of one contender with the same number of sources, by round; none where it failed or did not run.
#[derive(Debug, Default)]
pub(super) struct Figures(pub(super) Vec<Option<Sample>>);

/// The middle, the least and the most of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    /// The median.
    pub(super) median: f64,
    /// The least.
    pub(super) least: f64,
    /// The most.
    pub(super) most: f64,
}

impl Spread {
    /// Takes it of some values; none of none.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Some(Self { median, least, most })
    }
}

impl Figures {
    /// Takes the spread of something over all runs.
    pub(super) fn spread(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.0.iter().flatten().filter_map(of))
    }

    /// Says how many times as fast as these `other` ones are, in the median of the rounds in which both ran.
    pub(super) fn ratio_of(&self, other: &Self) -> Option<f64> {
        let rounds = self.0.iter().zip(&other.0);
        let both = rounds.filter_map(|(one, other)| Some((one.as_ref()?, other.as_ref()?)));
        let ratios =
            both.map(|(one, other)| one.received.wall.as_secs_f64() / other.received.wall.as_secs_f64());
        Spread::of(ratios).map(|spread| spread.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(walls: &[Option<u64>]) -> Figures {
        let sample = |seconds: u64| Sample {
            received: Received {
                wall: Duration::from_secs(seconds),
                cpu: Duration::ZERO,
                memory: 0,
                said: None,
            },
            sending: Duration::ZERO,
            own_rate: None,
        };
        Figures(walls.iter().map(|wall| wall.map(sample)).collect())
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let (slow, fast) = (runs(&[Some(4), Some(8), None]), runs(&[Some(2), Some(2), Some(1)]));
        assert_eq!(slow.ratio_of(&fast), Some(3.0));
        assert_eq!(runs(&[None]).ratio_of(&fast), None);
    }
}
