//! When lists of nodes that never come again are forgotten. Pure: both clocks are arguments.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

/// How often the lists are looked through.
const EVERY: Duration = Duration::from_hours(1);

/// A node that is there is noted as seen once in so long.
const NOTED: Duration = Duration::from_hours(24);

/// A wall clock that goes wrong by more than this beside the other one has been set.
const JUMP: Duration = Duration::from_hours(6);

/// Knows when to look, and what is old.
#[derive(Debug)]
pub(super) struct Forgetting {
    after: Duration,
    due: Instant,
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
}

impl Forgetting {
    pub(super) fn start(after: Duration, now: Instant) -> Self {
        Self { after, due: now + EVERY.min(after), started: None }
    }

    /// Says when to look next.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// Begins a look, unless the wall clock was set since the last one: then nobody knows how long
    /// anybody has been away.
    pub(super) fn look(&mut self, now: Instant, wall: u64) -> Option<Times> {
        self.due = now + EVERY.min(self.after);
        let (begun, wall_then) = *self.started.get_or_insert((now, wall));
        let expected = wall_then.saturating_add((now - begun).as_secs());
        if expected.abs_diff(wall) > JUMP.as_secs() {
            warn!("the clock was set; no node is forgotten before the next look");
            self.started = None;
            return None;
        }
        let forgotten = wall.saturating_sub(self.after.as_secs());
        Some(Times { stale: wall.saturating_sub(NOTED.as_secs()).max(forgotten), forgotten })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn nobody_is_forgotten_while_the_clock_jumps() {
        let now = Instant::now();
        let mut forgetting = Forgetting::start(Duration::from_hours(30 * 24), now);
        let times = |day: u64| Some(Times { stale: (day - 1) * DAY, forgotten: (day - 30) * DAY });
        assert_eq!(forgetting.look(now, 100 * DAY), times(100));
        assert_eq!(forgetting.due(), now + EVERY);
        assert_eq!(forgetting.look(now + EVERY, 1000 * DAY), None);
        // Where it stays, it is believed.
        assert_eq!(forgetting.look(now + 2 * EVERY, 1000 * DAY), times(1000));
    }
}
