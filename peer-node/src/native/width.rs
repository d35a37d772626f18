//! How many connections a link should have for what it sends. Pure: time and measurements are arguments.
//!
//! A congestion control that slows down at every loss, such as cubic, leaves a distant line with random losses mostly idle. Several
//! connections share the losses, and each begins with a slow start of its own. They cost the other users of the line their share,
//! so they are given up where half of them carry as much.

use std::time::{Duration, Instant};

use protocol::limits::MAX_CONNECTIONS_PER_LINK;

/// On shorter paths one connection recovers from a loss before it matters.
const DISTANT: Duration = Duration::from_millis(5);

/// On longer paths one connection takes too long to reach the rate of a fast line.
const FAR: Duration = Duration::from_millis(40);

/// After this time, and at least so many round trips, it is tried whether half of the connections carry as much; after a trial that
/// failed the pause doubles.
const TRIAL_AFTER: (Duration, u32) = (Duration::from_secs(12), 120);
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// How long a trial takes at least, and how many round trips. The rate of its second half counts.
const TRIAL: (Duration, u32) = (Duration::from_secs(3), 20);

/// Half of the connections suffice if they reach so many hundredths of the rate.
const SUFFICIENT: u64 = 85;

/// On a path that is not far, or that loses segments meanwhile, a trial ends after a third if by then they reach less than so many
/// hundredths: they recover within few round trips, or not at all.
const HOPELESS: u64 = 65;

/// Further connections are closed when nothing was sent for so long.
const IDLE: Duration = Duration::from_secs(10);

/// What is seen of a link that sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Whether blocks wait to be sent.
    pub(super) is_busy: bool,
    /// Whether a limit on uploads holds them up: they do not arrive sooner over several connections.
    pub(super) is_limited: bool,
    /// Whether the system's congestion control slows down at every loss.
    pub(super) is_loss_based: bool,
    /// The shortest round-trip time that was measured: queues that we fill ourselves make no path longer.
    pub(super) rtt: Duration,
    /// Segments that the first connection has sent again.
    pub(super) retransmitted: u64,
    /// Bytes of content that went over all connections.
    pub(super) sent: u64,
}

/// How many connections there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Those that are open, the first one included.
    pub(super) open: usize,
    /// Those of them that are used.
    pub(super) used: usize,
}

impl Extent {
    pub(super) const ONE: Self = Self { open: 1, used: 1 };
}

/// Decides on the connections of one link.
#[derive(Debug)]
pub(super) struct Width {
    stage: Stage,
    /// Since when blocks have been waiting without a pause, and what was retransmitted by then.
    busy: Option<(Instant, u64)>,
    /// When something was last sent.
    active: (Instant, u64),
    pause: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// One connection, at least until then.
    One { until: Instant },
    /// Several, of which all are used. The mark is what was sent when the measurement began.
    Several { open: usize, trial_at: Instant, mark: Option<(Instant, u64)> },
    /// Half of them are used, to see whether they suffice for the rate. Noted is what was retransmitted before.
    Trial { open: usize, begun: Instant, rate: u64, lost: u64, mark: Option<(Instant, u64)> },
}

impl Width {
    pub(super) const fn new(now: Instant) -> Self {
        Self { stage: Stage::One { until: now }, busy: None, active: (now, 0), pause: TRIAL_AFTER.0 }
    }

    /// Returns how many connections there should be from now on.
    pub(super) fn look(&mut self, sight: &Sight, now: Instant) -> Extent {
        if sight.sent > self.active.1 {
            self.active = (now, sight.sent);
        }
        let is_busy = sight.is_busy && !sight.is_limited;
        if !is_busy {
            self.busy = None;
        } else if self.busy.is_none() {
            self.busy = Some((now, sight.retransmitted));
        }
        let is_idle = now.saturating_duration_since(self.active.0) >= IDLE;
        if (is_idle || sight.is_limited) && !matches!(self.stage, Stage::One { .. }) {
            self.stage = Stage::One { until: now };
        }
        self.stage = self.next(sight, now);
        match self.stage {
            Stage::One { .. } => Extent::ONE,
            Stage::Several { open, .. } => Extent { open, used: open },
            Stage::Trial { open, .. } => Extent { open, used: open / 2 },
        }
    }

    fn next(&mut self, sight: &Sight, now: Instant) -> Stage {
        let trial = TRIAL.0.max(sight.rtt * TRIAL.1);
        match self.stage {
            Stage::One { until } if now >= until && self.falls_short(sight, now) => {
                self.pause = TRIAL_AFTER.0.max(sight.rtt * TRIAL_AFTER.1);
                let trial_at = now + self.pause;
                Stage::Several { open: MAX_CONNECTIONS_PER_LINK, trial_at, mark: None }
            }
            Stage::Several { open, trial_at, mark } => match (self.busy, mark) {
                // A rate says something about the path only while it alone limits it.
                (None, _) => Stage::Several { open, trial_at: trial_at.max(now + trial / 2), mark: None },
                (Some(_), Some((since, sent))) if now >= trial_at => {
                    let rate = rate(sight.sent - sent, since, now);
                    let lost = sight.retransmitted;
                    Stage::Trial { open, begun: now, rate, lost, mark: None }
                }
                (Some(_), None) if now + trial / 2 >= trial_at => {
                    let trial_at = now + trial / 2;
                    Stage::Several { open, trial_at, mark: Some((now, sight.sent)) }
                }
                _ => self.stage,
            },
            Stage::Trial { open, begun, rate: full, lost, mark } => match (self.busy, mark) {
                (None, _) => Stage::Several { open, trial_at: now + self.pause, mark: None },
                (Some(_), None) if now >= begun + trial / 6 => {
                    Stage::Trial { open, begun, rate: full, lost, mark: Some((now, sight.sent)) }
                }
                // The first half counts only where it shows that there is no hope.
                (Some(_), Some((since, sent))) if since < begun + trial / 2 => {
                    let is_early = now < begun + trial / 2;
                    let is_hopeless = now >= since + trial / 6
                        && (sight.rtt < FAR || sight.retransmitted > lost)
                        && !reaches(rate(sight.sent - sent, since, now), full, HOPELESS);
                    match (is_hopeless, is_early) {
                        (true, _) => self.judge(open, false, now),
                        (false, true) => self.stage,
                        (false, false) => {
                            Stage::Trial { open, begun, rate: full, lost, mark: Some((now, sight.sent)) }
                        }
                    }
                }
                (Some(_), Some((since, sent))) if now >= begun + trial => {
                    let half = rate(sight.sent - sent, since, now);
                    self.judge(open, reaches(half, full, SUFFICIENT), now)
                }
                _ => self.stage,
            },
            Stage::One { .. } => self.stage,
        }
    }

    /// Returns what follows a trial.
    fn judge(&mut self, open: usize, is_sufficient: bool, now: Instant) -> Stage {
        if !is_sufficient {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            return Stage::Several { open, trial_at: now + self.pause, mark: None };
        }
        match open / 2 {
            // What held the first connection up is over, or more connections do not help.
            0 | 1 => Stage::One { until: now + LONGEST_PAUSE },
            fewer => Stage::Several { open: fewer, trial_at: now + TRIAL.0, mark: None },
        }
    }

    /// Returns true if one connection falls short of what the path may carry.
    fn falls_short(&self, sight: &Sight, now: Instant) -> bool {
        let Some((since, retransmitted)) = self.busy else { return false };
        if !sight.is_loss_based || sight.rtt < DISTANT {
            return false;
        }
        let is_losing = sight.retransmitted > retransmitted;
        let is_slow = sight.rtt >= FAR && now.saturating_duration_since(since) >= sight.rtt / 2;
        is_losing || is_slow
    }
}

/// Returns true if a rate is at least this many hundredths of another.
fn reaches(rate: u64, full: u64, hundredths: u64) -> bool {
    u128::from(rate) * 100 >= u128::from(full) * u128::from(hundredths)
}

/// Returns a rate in bytes per second.
fn rate(bytes: u64, since: Instant, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(since).as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / elapsed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
