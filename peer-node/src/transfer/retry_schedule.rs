use std::time::{Duration, Instant};

use protocol::backoff::{Backoff, BackoffRange};

/// Shortest and longest delay between attempts while a download has not waited for long, so that it resumes within half a
/// minute after its source returns.
const EARLY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(3), Duration::from_secs(32));

/// The same after waiting for longer than [`LATE_AFTER`].
const LATE_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(32), Duration::from_mins(6));
const LATE_AFTER: Duration = Duration::from_hours(1);

/// Decides when a blocked download tries again. Pure: time is an argument.
#[derive(Debug)]
pub(crate) struct RetrySchedule {
    early: Backoff,
    late: Backoff,
    /// When the download last made progress.
    progressed_at: Instant,
    /// Number of verified pieces at that time.
    pieces: u32,
}

impl RetrySchedule {
    pub(crate) const fn new(now: Instant) -> Self {
        let (early, late) = (Backoff::new(EARLY_DELAYS), Backoff::new(LATE_DELAYS));
        Self { early, late, progressed_at: now, pieces: 0 }
    }

    /// Resets the delays if there are more pieces than before.
    pub(crate) const fn progressed(&mut self, pieces: u32, now: Instant) {
        if pieces > self.pieces {
            *self = Self::new(now);
            self.pieces = pieces;
        }
    }

    /// Resets the delays.
    pub(crate) const fn restart(&mut self, now: Instant) {
        let pieces = self.pieces;
        *self = Self::new(now);
        self.pieces = pieces;
    }

    /// Returns the delay before the next attempt; `random` adds jitter between downloads.
    pub(crate) fn next_delay(&mut self, now: Instant, random: u64) -> Duration {
        let has_waited_long = now.saturating_duration_since(self.progressed_at) >= LATE_AFTER;
        if has_waited_long { self.late.next_delay(random) } else { self.early.next_delay(random) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn progress_resets_the_delays() {
        let start = Instant::now();
        let mut schedule = RetrySchedule::new(start);
        let pauses: Vec<_> = (0..5).map(|_| schedule.next_delay(start, 0).as_secs()).collect();
        assert_eq!(pauses, [3, 6, 12, 16, 16]);
        schedule.progressed(0, start);
        assert_eq!(schedule.next_delay(start, 0).as_secs(), 16);
        schedule.progressed(1, start);
        assert_eq!(schedule.next_delay(start, 0).as_secs(), 3);
        schedule.restart(start);
        assert_eq!(schedule.next_delay(start + LATE_AFTER, 0), LATE_DELAYS.min());
    }

    proptest! {
        #[test]
        fn early_retries_are_frequent_and_late_ones_rare(randoms in prop::collection::vec(any::<u64>(), 1..200)) {
            let start = Instant::now();
            let mut schedule = RetrySchedule::new(start);
            let mut now = start;
            for random in randoms {
                let pause = schedule.next_delay(now, random);
                let delays = if now - start < LATE_AFTER { EARLY_DELAYS } else { LATE_DELAYS };
                prop_assert!((delays.min()..=delays.max()).contains(&pause), "{pause:?} after {:?}", now - start);
                now += pause;
            }
        }
    }
}
