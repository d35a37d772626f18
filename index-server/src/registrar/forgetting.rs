//! When lists of nodes that never come again are forgotten. Pure: both clocks are arguments.

use std::time::{Duration, Instant};

use tracing::warn;

/// How often the lists are looked through.
const EVERY: Duration = Duration::from_hours(1);

/// A node that is there is noted as seen once in so long.
const NOTED: Duration = Duration::from_hours(24);

/// How soon room is made again when there was too much to do at once.
const HURRY: Duration = Duration::from_millis(100);

/// A wall clock that goes wrong by more than this beside the other one has been set.
const JUMP: Duration = Duration::from_hours(6);

/// Knows when to look, and what is old.
#[derive(Debug)]
pub(super) struct Forgetting {
    after: Duration,
    /// The same for nodes that were not online for long.
    brief_after: Duration,
    due: Instant,
    /// When to make room again, if that was not done at once.
    hurried: Option<Instant>,
    /// Both clocks, when the index was started.
    started: Option<(Instant, u64)>,
}

/// Moments in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// Who was noted as seen before this is to be looked at.
    pub(super) stale: u64,
    /// Who was last seen before this is forgotten.
    pub(super) forgotten: u64,
    /// Who was last seen before this is forgotten unless they were online for long.
    pub(super) brief: u64,
}

impl Forgetting {
    /// Begins with how long lists are kept: of all nodes, and of those that were not online for long; for these, nothing is as long as
    /// for all.
    pub(super) fn start((after, brief_after): (Duration, Duration), now: Instant) -> Self {
        let brief_after = if brief_after.is_zero() { after } else { brief_after.min(after) };
        Self { after, brief_after, due: now + EVERY.min(brief_after), hurried: None, started: None }
    }

    /// Notes that room is to be made again soon.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.hurried = Some(now + HURRY);
    }

    /// Returns true if room is to be made, and all else can wait.
    pub(super) const fn take_hurry(&mut self) -> bool {
        self.hurried.take().is_some()
    }

    /// Says when to look next.
    pub(super) fn due(&self) -> Instant {
        self.hurried.map_or(self.due, |hurried| hurried.min(self.due))
    }

    /// Begins a look, unless the wall clock was set since the last one: then nobody knows how long
    /// anybody has been away.
    pub(super) fn look(&mut self, now: Instant, wall: u64) -> Option<Times> {
        self.due = now + EVERY.min(self.brief_after);
        let (begun, wall_then) = *self.started.get_or_insert((now, wall));
        let expected = wall_then.saturating_add((now - begun).as_secs());
        if expected.abs_diff(wall) > JUMP.as_secs() {
            warn!("the clock was set; no node is forgotten before the next look");
            self.started = None;
            return None;
        }
        let before = |after: Duration| wall.saturating_sub(after.as_secs());
        let (forgotten, brief) = (before(self.after), before(self.brief_after));
        Some(Times { stale: before(NOTED).max(brief), forgotten, brief })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    const HOURS: Duration = Duration::from_hours(1);

    #[test]
    fn nobody_is_forgotten_while_the_clock_jumps() {
        let now = Instant::now();
        let mut forgetting = Forgetting::start((30 * 24 * HOURS, 48 * HOURS), now);
        let times = |day: u64| {
            let (stale, forgotten, brief) = ((day - 1) * DAY, (day - 30) * DAY, (day - 2) * DAY);
            Some(Times { stale, forgotten, brief })
        };
        assert_eq!(forgetting.look(now, 100 * DAY), times(100));
        assert_eq!(forgetting.due(), now + EVERY);
        assert_eq!(forgetting.look(now + EVERY, 1000 * DAY), None);
        // Where it stays, it is believed.
        assert_eq!(forgetting.look(now + 2 * EVERY, 1000 * DAY), times(1000));
        forgetting.hurry(now);
        assert_eq!(forgetting.due(), now + HURRY);
        assert!(forgetting.take_hurry() && !forgetting.take_hurry());
        assert_eq!(forgetting.due(), now + 3 * EVERY);
    }

    #[test]
    fn brief_guests_are_forgotten_no_later_than_others() {
        let now = Instant::now();
        for (brief_after, brief) in [(Duration::ZERO, 8), (12 * HOURS, 9), (72 * HOURS, 8)] {
            let times = Forgetting::start((48 * HOURS, brief_after), now).look(now, 10 * DAY).unwrap();
            let expected = if brief == 9 { 9 * DAY + DAY / 2 } else { brief * DAY };
            assert_eq!((times.brief, times.forgotten), (expected, 8 * DAY));
            assert_eq!(times.stale, (9 * DAY).max(expected));
        }
    }
}
