//! When lists of nodes that never come again are forgotten. Pure: both clocks are arguments.

use std::time::{Duration, Instant};

use tracing::warn;

/// How often the lists are looked through.
const ROUND_INTERVAL: Duration = Duration::from_hours(1);

/// A node that is there is noted as seen once in so long.
const SEEN_INTERVAL: Duration = Duration::from_hours(24);

/// How soon room is made again when there was too much to do at once.
const CAPACITY_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A wall clock that goes wrong by more than this beside the other one has been set.
const MAX_CLOCK_DRIFT: Duration = Duration::from_hours(6);

/// Knows when to look, and what is old.
#[derive(Debug)]
pub(super) struct ExpirySchedule {
    after: Duration,
    /// The same for nodes that were not online for long.
    short_lived_after: Duration,
    due: Instant,
    /// When to make room again, if that was not done at once.
    capacity_retry: Option<Instant>,
    /// Both clocks, when the index was started.
    started: Option<(Instant, u64)>,
}

/// Moments in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExpiryTimes {
    /// Who was noted as seen before this is to be looked at.
    pub(super) recheck_before: u64,
    /// Who was last seen before this is forgotten.
    pub(super) expire_before: u64,
    /// Who was last seen before this is forgotten unless they were online for long.
    pub(super) expire_short_lived_before: u64,
}

impl ExpirySchedule {
    /// Begins with how long lists are kept: of all nodes, and of those that were not online for long; for these, nothing is as long as
    /// for all.
    pub(super) fn start((after, brief_after): (Duration, Duration), now: Instant) -> Self {
        let brief_after = if brief_after.is_zero() { after } else { brief_after.min(after) };
        Self {
            after,
            short_lived_after: brief_after,
            due: now + ROUND_INTERVAL.min(brief_after),
            capacity_retry: None,
            started: None,
        }
    }

    /// Notes that room is to be made again soon.
    pub(super) fn schedule_capacity_retry(&mut self, now: Instant) {
        self.capacity_retry = Some(now + CAPACITY_RETRY_DELAY);
    }

    /// Returns true if room is to be made, and all else can wait.
    pub(super) const fn take_capacity_retry(&mut self) -> bool {
        self.capacity_retry.take().is_some()
    }

    /// Says when to look next.
    pub(super) fn due(&self) -> Instant {
        self.capacity_retry.map_or(self.due, |hurried| hurried.min(self.due))
    }

    /// Begins a look, unless the wall clock was set since the last one: then nobody knows how long
    /// anybody has been away.
    pub(super) fn begin_round(&mut self, now: Instant, wall: u64) -> Option<ExpiryTimes> {
        self.due = now + ROUND_INTERVAL.min(self.short_lived_after);
        let (begun, wall_then) = *self.started.get_or_insert((now, wall));
        let expected = wall_then.saturating_add((now - begun).as_secs());
        if expected.abs_diff(wall) > MAX_CLOCK_DRIFT.as_secs() {
            warn!("the clock was set; no node is forgotten before the next look");
            self.started = None;
            return None;
        }
        let before = |after: Duration| wall.saturating_sub(after.as_secs());
        let (forgotten, brief) = (before(self.after), before(self.short_lived_after));
        Some(ExpiryTimes {
            recheck_before: before(SEEN_INTERVAL).max(brief),
            expire_before: forgotten,
            expire_short_lived_before: brief,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    const HOURS: Duration = Duration::from_hours(1);

    #[test]
    fn nothing_expires_when_the_clock_jumps() {
        let now = Instant::now();
        let mut forgetting = ExpirySchedule::start((30 * 24 * HOURS, 48 * HOURS), now);
        let times = |day: u64| {
            let (stale, forgotten, brief) = ((day - 1) * DAY, (day - 30) * DAY, (day - 2) * DAY);
            Some(ExpiryTimes {
                recheck_before: stale,
                expire_before: forgotten,
                expire_short_lived_before: brief,
            })
        };
        assert_eq!(forgetting.begin_round(now, 100 * DAY), times(100));
        assert_eq!(forgetting.due(), now + ROUND_INTERVAL);
        assert_eq!(forgetting.begin_round(now + ROUND_INTERVAL, 1000 * DAY), None);
        // Where it stays, it is believed.
        assert_eq!(forgetting.begin_round(now + 2 * ROUND_INTERVAL, 1000 * DAY), times(1000));
        forgetting.schedule_capacity_retry(now);
        assert_eq!(forgetting.due(), now + CAPACITY_RETRY_DELAY);
        assert!(forgetting.take_capacity_retry() && !forgetting.take_capacity_retry());
        assert_eq!(forgetting.due(), now + 3 * ROUND_INTERVAL);
    }

    #[test]
    fn short_lived_nodes_expire_no_later_than_others() {
        let now = Instant::now();
        for (brief_after, brief) in [(Duration::ZERO, 8), (12 * HOURS, 9), (72 * HOURS, 8)] {
            let times =
                ExpirySchedule::start((48 * HOURS, brief_after), now).begin_round(now, 10 * DAY).unwrap();
            let expected = if brief == 9 { 9 * DAY + DAY / 2 } else { brief * DAY };
            assert_eq!((times.expire_short_lived_before, times.expire_before), (expected, 8 * DAY));
            assert_eq!(times.recheck_before, (9 * DAY).max(expected));
        }
    }
}
