use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// The shortest and the longest pause between two attempts of a download that has not waited for long: one whose source
/// returns continues within half a minute.
const AT_FIRST: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(32));

/// The same once it has waited for longer than [`LONG`].
const LATER: (Duration, Duration) = (Duration::from_secs(32), Duration::from_mins(6));
const LONG: Duration = Duration::from_hours(1);

/// When a download that cannot continue tries again. It reads no clock.
#[derive(Debug)]
pub(crate) struct Polling {
    at_first: Backoff,
    later: Backoff,
    /// When the download last got any further.
    since: Instant,
    /// How many pieces were here by then.
    pieces: u32,
}

impl Polling {
    pub(crate) const fn new(now: Instant) -> Self {
        let (at_first, later) =
            (Backoff::between(AT_FIRST.0, AT_FIRST.1), Backoff::between(LATER.0, LATER.1));
        Self { at_first, later, since: now, pieces: 0 }
    }

    /// Begins with short pauses again if there are more pieces than before.
    pub(crate) const fn reached(&mut self, pieces: u32, now: Instant) {
        if pieces > self.pieces {
            *self = Self::new(now);
            self.pieces = pieces;
        }
    }

    /// Begins with short pauses again.
    pub(crate) const fn restart(&mut self, now: Instant) {
        let pieces = self.pieces;
        *self = Self::new(now);
        self.pieces = pieces;
    }

    /// Returns how long to wait before the next attempt; `random` makes it differ from download to download.
    pub(crate) fn pause(&mut self, now: Instant, random: u64) -> Duration {
        let has_waited_long = now.saturating_duration_since(self.since) >= LONG;
        if has_waited_long { self.later.pause(random) } else { self.at_first.pause(random) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn progress_makes_the_pauses_short_again() {
        let start = Instant::now();
        let mut polling = Polling::new(start);
        let pauses: Vec<_> = (0..5).map(|_| polling.pause(start, 0).as_secs()).collect();
        assert_eq!(pauses, [3, 6, 12, 16, 16]);
        polling.reached(0, start);
        assert_eq!(polling.pause(start, 0).as_secs(), 16);
        polling.reached(1, start);
        assert_eq!(polling.pause(start, 0).as_secs(), 3);
        polling.restart(start);
        assert_eq!(polling.pause(start + LONG, 0), LATER.0);
    }

    proptest! {
        #[test]
        fn a_returning_source_is_found_soon_and_long_waits_ask_seldom(randoms in prop::collection::vec(any::<u64>(), 1..200)) {
            let start = Instant::now();
            let mut polling = Polling::new(start);
            let mut now = start;
            for random in randoms {
                let pause = polling.pause(now, random);
                let (least, most) = if now - start < LONG { AT_FIRST } else { LATER };
                prop_assert!((least..=most).contains(&pause), "{pause:?} after {:?}", now - start);
                now += pause;
            }
        }
    }
}
