//! When lists of absent nodes expire. Pure: both clocks are arguments.

use std::time::{Duration, Instant};

use tracing::warn;

/// The interval between expiry rounds.
const ROUND_INTERVAL: Duration = Duration::from_hours(1);

/// How often an online node is recorded as seen.
const SEEN_INTERVAL: Duration = Duration::from_hours(24);

/// The delay before more lists expire if a single pass did not free enough.
const CAPACITY_RETRY_DELAY: Duration = Duration::from_millis(100);

/// If the wall clock deviates from the monotonic clock by more than this, it was set.
const MAX_CLOCK_DRIFT: Duration = Duration::from_hours(6);

/// Determines when expiry rounds run, and which lists expire.
#[derive(Debug)]
pub(super) struct ExpirySchedule {
    after: Duration,
    /// The same for short-lived nodes.
    short_lived_after: Duration,
    due: Instant,
    /// When to free more capacity, if the last pass did not free enough.
    capacity_retry: Option<Instant>,
    /// Both clocks at the start of the schedule.
    started: Option<(Instant, u64)>,
}

/// Limits of one expiry round, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExpiryTimes {
    /// Nodes recorded as seen before this are checked.
    pub(super) recheck_cutoff: u64,
    /// Nodes last seen before this expire.
    pub(super) expiry: u64,
    /// Short-lived nodes last seen before this expire.
    pub(super) short_lived_expiry: u64,
}

impl ExpirySchedule {
    /// Creates a schedule from how long lists of all nodes and of short-lived nodes are kept; zero for the latter means as long
    /// as for all.
    pub(super) fn start((after, short_lived_after): (Duration, Duration), now: Instant) -> Self {
        let short_lived_after =
            if short_lived_after.is_zero() { after } else { short_lived_after.min(after) };
        Self {
            after,
            short_lived_after,
            due: now + ROUND_INTERVAL.min(short_lived_after),
            capacity_retry: None,
            started: None,
        }
    }

    /// Schedules another pass to free capacity.
    pub(super) fn schedule_capacity_retry(&mut self, now: Instant) {
        self.capacity_retry = Some(now + CAPACITY_RETRY_DELAY);
    }

    /// Returns true if only capacity is to be freed in this pass.
    pub(super) const fn take_capacity_retry(&mut self) -> bool {
        self.capacity_retry.take().is_some()
    }

    /// Returns when the next pass is due.
    pub(super) fn due(&self) -> Instant {
        self.capacity_retry.map_or(self.due, |retry| retry.min(self.due))
    }

    /// Starts a round; returns `None` if the wall clock was set since the last one, since absences cannot be measured then.
    pub(super) fn begin_round(&mut self, now: Instant, wall: u64) -> Option<ExpiryTimes> {
        self.due = now + ROUND_INTERVAL.min(self.short_lived_after);
        let (started, wall_then) = *self.started.get_or_insert((now, wall));
        let expected = wall_then.saturating_add((now - started).as_secs());
        if expected.abs_diff(wall) > MAX_CLOCK_DRIFT.as_secs() {
            warn!("the clock was set, skipping this expiry round");
            self.started = None;
            return None;
        }
        let before = |after: Duration| wall.saturating_sub(after.as_secs());
        let short_lived_expiry = before(self.short_lived_after);
        Some(ExpiryTimes {
            recheck_cutoff: before(SEEN_INTERVAL).max(short_lived_expiry),
            expiry: before(self.after),
            short_lived_expiry,
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
        let mut schedule = ExpirySchedule::start((30 * 24 * HOURS, 48 * HOURS), now);
        let times = |day: u64| {
            let (stale, forgotten, brief) = ((day - 1) * DAY, (day - 30) * DAY, (day - 2) * DAY);
            Some(ExpiryTimes { recheck_cutoff: stale, expiry: forgotten, short_lived_expiry: brief })
        };
        assert_eq!(schedule.begin_round(now, 100 * DAY), times(100));
        assert_eq!(schedule.due(), now + ROUND_INTERVAL);
        assert_eq!(schedule.begin_round(now + ROUND_INTERVAL, 1000 * DAY), None);
        // A clock that stays at the new time is trusted from then on.
        assert_eq!(schedule.begin_round(now + 2 * ROUND_INTERVAL, 1000 * DAY), times(1000));
        schedule.schedule_capacity_retry(now);
        assert_eq!(schedule.due(), now + CAPACITY_RETRY_DELAY);
        assert!(schedule.take_capacity_retry() && !schedule.take_capacity_retry());
        assert_eq!(schedule.due(), now + 3 * ROUND_INTERVAL);
    }

    #[test]
    fn short_lived_nodes_expire_no_later_than_others() {
        let now = Instant::now();
        for (brief_after, brief) in [(Duration::ZERO, 8), (12 * HOURS, 9), (72 * HOURS, 8)] {
            let times =
                ExpirySchedule::start((48 * HOURS, brief_after), now).begin_round(now, 10 * DAY).unwrap();
            let expected = if brief == 9 { 9 * DAY + DAY / 2 } else { brief * DAY };
            assert_eq!((times.short_lived_expiry, times.expiry), (expected, 8 * DAY));
            assert_eq!(times.recheck_cutoff, (9 * DAY).max(expected));
        }
    }
}
