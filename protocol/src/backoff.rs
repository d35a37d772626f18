//! Exponential back-off with jitter, for everything that is tried again. Pure: callers pass the random numbers.
//!
//! The jitter differs from program to program, so that those that failed at the same moment, for instance because a server
//! stopped, do not all retry at the same moment.

use std::time::Duration;

/// More doublings than any range has room for.
const MAX_DOUBLINGS: u32 = 20;

/// Number of different jitters. The arithmetic below cannot overflow with it.
const JITTER_STEPS: u32 = 1024;

/// The bounds of the delays between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffRange {
    min: Duration,
    max: Duration,
}

impl BackoffRange {
    /// Creates a range of delays. `max` bounds the delays including their jitter; `min` is reduced to it.
    pub const fn new(min: Duration, max: Duration) -> Self {
        let min = if min.as_nanos() > max.as_nanos() { max } else { min };
        Self { min, max }
    }

    /// Returns the shortest delay.
    pub const fn min(self) -> Duration {
        self.min
    }

    /// Returns the longest delay.
    pub const fn max(self) -> Duration {
        self.max
    }

    /// Returns the delay after this many earlier failures, without jitter: it doubles with each, up to half of the maximum, so
    /// that there is room for the jitter.
    pub fn base(self, failures: u32) -> Duration {
        self.min.saturating_mul(1 << failures.min(MAX_DOUBLINGS)).min(self.max / 2)
    }

    /// Returns the delay after this many earlier failures, with a jitter of up to the same length.
    pub fn delay(self, failures: u32, random: u64) -> Duration {
        let delay = with_jitter(self.base(failures), random);
        debug_assert!(
            delay <= self.max,
            "jitter at most doubles the base, which is at most half of the maximum"
        );
        delay
    }
}

/// Delays that double with every failure.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    range: BackoffRange,
    failures: u32,
}

impl Backoff {
    /// Creates a back-off without failures.
    pub const fn new(range: BackoffRange) -> Self {
        Self { range, failures: 0 }
    }

    /// Counts a failure and returns the delay after it; `random` determines the jitter.
    pub fn next_delay(&mut self, random: u64) -> Duration {
        let delay = self.range.delay(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// Resets the delay to the shortest one.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Returns a delay of at least `delay` and less than twice as long; `random` determines the jitter.
pub fn with_jitter(delay: Duration, random: u64) -> Duration {
    let steps = u32::try_from(random % u64::from(JITTER_STEPS)).unwrap_or(0);
    delay.saturating_add(delay / JITTER_STEPS * steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE: BackoffRange = BackoffRange::new(Duration::from_secs(1), Duration::from_mins(1));

    #[test]
    fn delays_double_up_to_half_the_maximum() {
        let mut backoff = Backoff::new(RANGE);
        let delays: Vec<_> = (0..8).map(|_| backoff.next_delay(0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0), RANGE.min());
    }

    #[test]
    fn nodes_with_different_jitter_do_not_retry_together() {
        let (mut one, mut two) = (Backoff::new(RANGE), Backoff::new(RANGE));
        for _ in 0..10 {
            assert_ne!(one.next_delay(1), two.next_delay(1000));
        }
    }

    fn any_range() -> impl Strategy<Value = BackoffRange> {
        (0..10_000_000_u64, 0..10_000_000_u64)
            .prop_map(|(a, b)| BackoffRange::new(Duration::from_millis(a), Duration::from_millis(b)))
    }

    proptest! {
        #[test]
        fn every_delay_is_within_its_range(
            range in any_range(),
            randoms in prop::collection::vec(any::<u64>(), 1..100),
        ) {
            let mut backoff = Backoff::new(range);
            for random in randoms {
                let delay = backoff.next_delay(random);
                prop_assert!((range.min().min(range.max() / 2)..=range.max()).contains(&delay), "{delay:?}");
            }
        }

        #[test]
        fn base_grows_until_half_the_maximum(range in any_range(), failures: u32) {
            let (base, next) = (range.base(failures), range.base(failures.saturating_add(1)));
            prop_assert!(base <= next && next <= range.max() / 2);
            prop_assert!(next == base.saturating_mul(2) || next == range.max() / 2 || failures >= MAX_DOUBLINGS);
        }

        #[test]
        fn jitter_is_less_than_the_delay(millis in 1..u64::from(u32::MAX), random: u64) {
            let delay = Duration::from_millis(millis);
            prop_assert!((delay..delay * 2).contains(&with_jitter(delay, random)));
        }
    }
}
