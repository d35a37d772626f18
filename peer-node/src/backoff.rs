//! Exponential back-off with jitter for reconnecting to a server.

use std::time::Duration;

/// Shortest delay, before jitter.
const INITIAL_DELAY: Duration = Duration::from_secs(1);

/// Longest delay, including jitter.
const MAX_DELAY: Duration = Duration::from_mins(1);

/// Delays that double with every failure. The jitter differs from node to node, so that nodes do not all reconnect at the same
/// moment when a server comes back.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    failures: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::between(INITIAL_DELAY, MAX_DELAY)
    }
}

impl Backoff {
    /// Creates a back-off with delays of at least `initial` and at most `max`.
    pub(crate) const fn between(initial: Duration, max: Duration) -> Self {
        Self { initial, max, failures: 0 }
    }

    /// Counts a failure and returns the delay after it: a base that doubles each time, plus a jitter of up to the same length
    /// that is taken from `random`.
    pub(crate) fn next_delay(&mut self, random: u64) -> Duration {
        let step = self.initial.saturating_mul(1 << self.failures.min(16)).min(self.max / 2);
        self.failures = self.failures.saturating_add(1);
        // 1024 steps are enough jitter, and the arithmetic cannot overflow.
        let share = u32::try_from(random % 1024).unwrap_or(0);
        step + step / 1024 * share
    }

    /// Resets the delay to the shortest one.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_double_up_to_half_the_maximum() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.next_delay(0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0), INITIAL_DELAY);
    }

    #[test]
    fn nodes_with_different_jitter_do_not_retry_together() {
        let (mut one, mut two) = (Backoff::default(), Backoff::default());
        for _ in 0..10 {
            assert_ne!(one.next_delay(1), two.next_delay(1000));
        }
    }

    proptest! {
        #[test]
        fn every_delay_is_between_the_initial_and_the_maximum(randoms in prop::collection::vec(any::<u64>(), 1..100)) {
            let mut backoff = Backoff::default();
            let mut least = INITIAL_DELAY;
            for random in randoms {
                let pause = backoff.next_delay(random);
                prop_assert!((INITIAL_DELAY..=MAX_DELAY).contains(&pause), "{pause:?}");
                prop_assert!(pause >= least, "delays grow until the maximum is reached");
                least = (least * 2).min(MAX_DELAY / 2);
            }
        }
    }
}
