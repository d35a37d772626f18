//! How long to wait when the index says that something came too soon. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// No pause is longer, whatever the index says.
const LONGEST: Duration = Duration::from_mins(1);

/// The first pause is not shorter, whatever the index says. The shortest doubles with every further one.
const SHORTEST: Duration = Duration::from_millis(10);

/// The pauses between attempts at one kind of request.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    seed: u64,
    /// How many pauses there were since the index last took something.
    fruitless: u32,
    /// When the last of them is over.
    until: Option<Instant>,
}

impl Pauses {
    /// Takes a seed, so that nodes that are told the same pause do not come back together.
    pub(super) const fn spread(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Returns when a pause is over that the index asks for: between once and twice as long. An index that asks for pauses and takes
    /// nothing between them is asked ever less often.
    pub(super) fn after(&mut self, now: Instant, pause: Duration) -> Instant {
        // What was sent before the last pause is refused along with the request that led to it.
        if self.until.is_none_or(|until| until <= now) {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let share = u32::try_from(self.seed >> 54).unwrap_or(0);
        let shortest = SHORTEST.saturating_mul(1 << (self.fruitless.saturating_sub(1)).min(16)).min(LONGEST);
        let pause = pause.clamp(shortest, LONGEST);
        let until = now + pause + pause / 1024 * share;
        self.until = self.until.max(Some(until));
        until
    }

    /// Notes that the index took something.
    pub(super) const fn reset(&mut self) {
        self.fruitless = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How often something is sent in a time to an index that answers each attempt at once with such a pause.
    fn attempts(mut pauses: Pauses, pause: Duration, within: Duration) -> u32 {
        let (begin, mut attempts) = (Instant::now(), 0);
        let mut now = begin;
        while now - begin < within {
            attempts += 1;
            now = pauses.after(now, pause);
        }
        attempts
    }

    #[test]
    fn index_that_takes_nothing_is_asked_ever_less_often() {
        let in_a_second = attempts(Pauses::default(), Duration::ZERO, Duration::from_secs(1));
        assert!((5..=7).contains(&in_a_second), "{in_a_second}");
        let in_an_hour = attempts(Pauses::default(), Duration::ZERO, Duration::from_hours(1));
        assert!((40..80).contains(&in_an_hour), "{in_an_hour}");
    }

    #[test]
    fn requests_that_are_refused_together_are_one_attempt() {
        let (mut pauses, now) = (Pauses::default(), Instant::now());
        let ends: Vec<_> = (0..32).map(|_| pauses.after(now, Duration::ZERO)).collect();
        assert!(ends.iter().all(|end| *end <= now + SHORTEST * 2));
    }

    #[test]
    fn index_that_takes_something_is_asked_as_soon_as_it_says() {
        let (mut pauses, mut now) = (Pauses::default(), Instant::now());
        for _ in 0..100 {
            let until = pauses.after(now, Duration::from_millis(100));
            assert!(until <= now + Duration::from_millis(200));
            now = until;
            pauses.reset();
        }
    }

    proptest! {
        #[test]
        fn every_pause_has_bounds(asked in prop::collection::vec(any::<u32>(), 1..50), seed: u64) {
            let (mut pauses, mut now) = (Pauses::default(), Instant::now());
            pauses.spread(seed);
            for asked in asked {
                let asked = Duration::from_millis(asked.into());
                let until = pauses.after(now, asked);
                prop_assert!(until - now >= SHORTEST.max(asked.min(LONGEST)));
                prop_assert!(until - now <= LONGEST * 2);
                now = until;
            }
        }
    }
}
