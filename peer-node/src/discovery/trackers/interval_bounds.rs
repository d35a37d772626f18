//! Bounds for announce intervals.

use std::time::Duration;

use protocol::tracker::AnnounceReply;

/// Limits on the intervals that a tracker may request.
#[derive(Debug, Clone, Copy)]
pub(super) struct IntervalBounds {
    /// Minimum interval.
    pub(super) min: Duration,
    /// Maximum interval.
    pub(super) max: Duration,
    /// Minimum interval before requesting more peers, if the tracker sets none.
    pub(super) default_min_interval: Duration,
    /// Minimum delay after a refusal.
    pub(super) after_refusal: Duration,
}

impl Default for IntervalBounds {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(10),
            max: Duration::from_hours(24),
            default_min_interval: Duration::from_mins(1),
            after_refusal: Duration::from_secs(30),
        }
    }
}

impl IntervalBounds {
    /// Returns the regular and the minimum announce interval.
    pub(super) fn intervals(&self, reply: &AnnounceReply) -> (Duration, Duration) {
        let bounded = |seconds: u32| Duration::from_secs(seconds.into()).clamp(self.min, self.max);
        let interval = bounded(reply.interval);
        let minimum = reply.min_interval.map_or_else(|| self.default_min_interval.min(interval), bounded);
        (interval.max(minimum), minimum)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn intervals_are_always_within_bounds(interval: u32, min_interval: Option<u32>) {
            let bounds = IntervalBounds::default();
            let reply = AnnounceReply { interval, min_interval, ..AnnounceReply::default() };
            let (interval, minimum) = bounds.intervals(&reply);
            for pause in [interval, minimum] {
                prop_assert!((bounds.min..=bounds.max).contains(&pause));
            }
            prop_assert!(minimum <= interval);
        }
    }

    #[test]
    fn intervals_within_bounds_are_used_as_given() {
        for (interval, min_interval, wanted) in [
            (1800, Some(900), (1800, 900)),
            (1800, None, (1800, 60)),
            (30, None, (30, 30)),
            (60, Some(90), (90, 90)),
        ] {
            let reply = AnnounceReply { interval, min_interval, ..AnnounceReply::default() };
            let (interval, minimum) = IntervalBounds::default().intervals(&reply);
            assert_eq!((interval.as_secs(), minimum.as_secs()), wanted);
        }
    }
}
