//! Delays after the index has replied that a request came too soon. Pure: time is an argument.

use std::time::Duration;

use protocol::backoff::{BackoffRange, with_jitter};
use protocol::seeded_random::SeededRandom;
use tokio::time::Instant;

/// Longest delay, even if the index asks for more.
const MAX_DELAY: Duration = Duration::from_mins(1);

/// Shortest first delay, even if the index asks for less. The minimum doubles with every further delay.
const MIN_DELAY: Duration = Duration::from_millis(10);

/// Bounds of the minimum. Its upper end is [`MAX_DELAY`] with jitter.
const MINIMA: BackoffRange = BackoffRange::new(MIN_DELAY, MAX_DELAY.saturating_mul(2));

/// The delays between attempts of one kind of request.
#[derive(Debug, Default)]
pub(super) struct RetryDelays {
    random: SeededRandom,
    /// Number of delays since the index last accepted a request.
    consecutive: u32,
    /// When the last delay ends.
    until: Option<Instant>,
}

impl RetryDelays {
    /// Seeds the jitter, so that nodes that were sent the same pause do not all retry at once.
    pub(super) const fn seed_jitter(&mut self, seed: u64) {
        self.random = SeededRandom::from_seed(seed);
    }

    /// Returns when to retry: after once to twice the requested delay. The minimum grows while the index accepts nothing.
    pub(super) fn next_retry(&mut self, now: Instant, pause: Duration) -> Instant {
        // Requests that were in flight before the last delay are refused along with its cause, and count as one.
        if self.until.is_none_or(|until| until <= now) {
            self.consecutive = self.consecutive.saturating_add(1);
        }
        let pause = pause.clamp(MINIMA.base(self.consecutive.saturating_sub(1)), MAX_DELAY);
        let until = now + with_jitter(pause, self.random.next_u64());
        self.until = self.until.max(Some(until));
        until
    }

    /// Resets the minimum after the index has accepted a request.
    pub(super) const fn reset(&mut self) {
        self.consecutive = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the number of attempts within a time span, against an index that always requests the delay `pause`.
    fn attempts(mut pauses: RetryDelays, pause: Duration, within: Duration) -> u32 {
        let (begin, mut attempts) = (Instant::now(), 0);
        let mut now = begin;
        while now - begin < within {
            attempts += 1;
            now = pauses.next_retry(now, pause);
        }
        attempts
    }

    #[test]
    fn delays_grow_while_nothing_is_accepted() {
        let in_a_second = attempts(RetryDelays::default(), Duration::ZERO, Duration::from_secs(1));
        assert!((5..=7).contains(&in_a_second), "{in_a_second}");
        let in_an_hour = attempts(RetryDelays::default(), Duration::ZERO, Duration::from_hours(1));
        assert!((40..80).contains(&in_an_hour), "{in_an_hour}");
    }

    #[test]
    fn requests_refused_together_count_as_one_attempt() {
        let (mut pauses, now) = (RetryDelays::default(), Instant::now());
        let ends: Vec<_> = (0..32).map(|_| pauses.next_retry(now, Duration::ZERO)).collect();
        assert!(ends.iter().all(|end| *end <= now + MIN_DELAY * 2));
    }

    #[test]
    fn delay_is_as_requested_while_requests_are_accepted() {
        let (mut pauses, mut now) = (RetryDelays::default(), Instant::now());
        for _ in 0..100 {
            let until = pauses.next_retry(now, Duration::from_millis(100));
            assert!(until <= now + Duration::from_millis(200));
            now = until;
            pauses.reset();
        }
    }

    proptest! {
        #[test]
        fn every_delay_is_bounded(asked in prop::collection::vec(any::<u32>(), 1..50), seed: u64) {
            let (mut pauses, mut now) = (RetryDelays::default(), Instant::now());
            pauses.seed_jitter(seed);
            for asked in asked {
                let asked = Duration::from_millis(asked.into());
                let until = pauses.next_retry(now, asked);
                prop_assert!(until - now >= MIN_DELAY.max(asked.min(MAX_DELAY)));
                prop_assert!(until - now <= MAX_DELAY * 2);
                now = until;
            }
        }
    }
}
