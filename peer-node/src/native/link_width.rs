//! How many connections a link should have for what it sends. Pure: time and measurements are arguments.
//!
//! A congestion control that slows down at every loss, such as cubic, leaves a distant line with random losses mostly idle. Several
//! connections share the losses, and each begins with a slow start of its own. They cost the other users of the line their share,
//! so they are given up where half of them carry as much.

use std::time::{Duration, Instant};

use protocol::limits::MAX_CONNECTIONS_PER_LINK;

/// On shorter paths one connection recovers from a loss before it matters.
const MIN_DISTANT_RTT: Duration = Duration::from_millis(5);

/// On longer paths one connection takes too long to reach the rate of a fast line.
const MIN_FAR_RTT: Duration = Duration::from_millis(40);

/// After this time, and at least so many round trips, it is tried whether half of the connections carry as much; after a trial that
/// failed the pause doubles.
const TRIAL_DELAY: (Duration, u32) = (Duration::from_secs(12), 120);
const MAX_TRIAL_DELAY: Duration = Duration::from_mins(2);

/// How long a trial takes at least, and how many round trips. The rate of its second half counts.
const TRIAL_TIME: (Duration, u32) = (Duration::from_secs(3), 20);

/// Half of the connections suffice if they reach so many hundredths of the rate.
const SUFFICIENT_PERCENT: u64 = 85;

/// On a path that is not far, or that loses segments meanwhile, a trial ends after a third if by then they reach less than so many
/// hundredths: they recover within few round trips, or not at all.
const HOPELESS_PERCENT: u64 = 65;

/// Further connections are closed when nothing was sent for so long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is seen of a link that sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkObservation {
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
pub(super) struct LinkWidth {
    /// Those that are open, the first one included.
    pub(super) open: usize,
    /// Those of them that are used.
    pub(super) used: usize,
}

impl LinkWidth {
    pub(super) const ONE: Self = Self { open: 1, used: 1 };
}

/// Decides on the connections of one link.
#[derive(Debug)]
pub(super) struct WidthController {
    stage: WidthStage,
    /// Since when blocks have been waiting without a pause, and what was retransmitted by then.
    busy_since: Option<(Instant, u64)>,
    /// When something was last sent.
    last_sent: (Instant, u64),
    trial_delay: Duration,
}

#[derive(Debug, Clone, Copy)]
enum WidthStage {
    /// One connection, at least until then.
    One { until: Instant },
    /// Several, of which all are used. The mark is what was sent when the measurement began.
    Several { open: usize, trial_at: Instant, mark: Option<(Instant, u64)> },
    /// Half of them are used, to see whether they suffice for the rate. Noted is what was retransmitted before.
    Trial { open: usize, begun: Instant, rate: u64, lost: u64, mark: Option<(Instant, u64)> },
}

impl WidthController {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            stage: WidthStage::One { until: now },
            busy_since: None,
            last_sent: (now, 0),
            trial_delay: TRIAL_DELAY.0,
        }
    }

    /// Returns how many connections there should be from now on.
    pub(super) fn observe(&mut self, observation: &LinkObservation, now: Instant) -> LinkWidth {
        if observation.sent > self.last_sent.1 {
            self.last_sent = (now, observation.sent);
        }
        let is_busy = observation.is_busy && !observation.is_limited;
        if !is_busy {
            self.busy_since = None;
        } else if self.busy_since.is_none() {
            self.busy_since = Some((now, observation.retransmitted));
        }
        let is_idle = now.saturating_duration_since(self.last_sent.0) >= IDLE_TIMEOUT;
        if (is_idle || observation.is_limited) && !matches!(self.stage, WidthStage::One { .. }) {
            self.stage = WidthStage::One { until: now };
        }
        self.stage = self.next(observation, now);
        match self.stage {
            WidthStage::One { .. } => LinkWidth::ONE,
            WidthStage::Several { open, .. } => LinkWidth { open, used: open },
            WidthStage::Trial { open, .. } => LinkWidth { open, used: open / 2 },
        }
    }

    fn next(&mut self, observation: &LinkObservation, now: Instant) -> WidthStage {
        let trial = TRIAL_TIME.0.max(observation.rtt * TRIAL_TIME.1);
        match self.stage {
            WidthStage::One { until } if now >= until && self.falls_short(observation, now) => {
                self.trial_delay = TRIAL_DELAY.0.max(observation.rtt * TRIAL_DELAY.1);
                let trial_at = now + self.trial_delay;
                WidthStage::Several { open: MAX_CONNECTIONS_PER_LINK, trial_at, mark: None }
            }
            WidthStage::Several { open, trial_at, mark } => match (self.busy_since, mark) {
                // A rate says something about the path only while it alone limits it.
                (None, _) => {
                    WidthStage::Several { open, trial_at: trial_at.max(now + trial / 2), mark: None }
                }
                (Some(_), Some((since, sent))) if now >= trial_at => {
                    let rate = rate(observation.sent - sent, since, now);
                    let lost = observation.retransmitted;
                    WidthStage::Trial { open, begun: now, rate, lost, mark: None }
                }
                (Some(_), None) if now + trial / 2 >= trial_at => {
                    let trial_at = now + trial / 2;
                    WidthStage::Several { open, trial_at, mark: Some((now, observation.sent)) }
                }
                _ => self.stage,
            },
            WidthStage::Trial { open, begun, rate: full, lost, mark } => match (self.busy_since, mark) {
                (None, _) => WidthStage::Several { open, trial_at: now + self.trial_delay, mark: None },
                (Some(_), None) if now >= begun + trial / 6 => {
                    WidthStage::Trial { open, begun, rate: full, lost, mark: Some((now, observation.sent)) }
                }
                // The first half counts only where it shows that there is no hope.
                (Some(_), Some((since, sent))) if since < begun + trial / 2 => {
                    let is_early = now < begun + trial / 2;
                    let is_hopeless = now >= since + trial / 6
                        && (observation.rtt < MIN_FAR_RTT || observation.retransmitted > lost)
                        && !reaches_percent(
                            rate(observation.sent - sent, since, now),
                            full,
                            HOPELESS_PERCENT,
                        );
                    match (is_hopeless, is_early) {
                        (true, _) => self.end_trial(open, false, now),
                        (false, true) => self.stage,
                        (false, false) => WidthStage::Trial {
                            open,
                            begun,
                            rate: full,
                            lost,
                            mark: Some((now, observation.sent)),
                        },
                    }
                }
                (Some(_), Some((since, sent))) if now >= begun + trial => {
                    let half = rate(observation.sent - sent, since, now);
                    self.end_trial(open, reaches_percent(half, full, SUFFICIENT_PERCENT), now)
                }
                _ => self.stage,
            },
            WidthStage::One { .. } => self.stage,
        }
    }

    /// Returns what follows a trial.
    fn end_trial(&mut self, open: usize, is_sufficient: bool, now: Instant) -> WidthStage {
        if !is_sufficient {
            self.trial_delay = (self.trial_delay * 2).min(MAX_TRIAL_DELAY);
            return WidthStage::Several { open, trial_at: now + self.trial_delay, mark: None };
        }
        match open / 2 {
            // What held the first connection up is over, or more connections do not help.
            0 | 1 => WidthStage::One { until: now + MAX_TRIAL_DELAY },
            fewer => WidthStage::Several { open: fewer, trial_at: now + TRIAL_TIME.0, mark: None },
        }
    }

    /// Returns true if one connection falls short of what the path may carry.
    fn falls_short(&self, observation: &LinkObservation, now: Instant) -> bool {
        let Some((since, retransmitted)) = self.busy_since else { return false };
        if !observation.is_loss_based || observation.rtt < MIN_DISTANT_RTT {
            return false;
        }
        let is_losing = observation.retransmitted > retransmitted;
        let is_slow =
            observation.rtt >= MIN_FAR_RTT && now.saturating_duration_since(since) >= observation.rtt / 2;
        is_losing || is_slow
    }
}

/// Returns true if a rate is at least this many hundredths of another.
fn reaches_percent(rate: u64, full: u64, hundredths: u64) -> bool {
    u128::from(rate) * 100 >= u128::from(full) * u128::from(hundredths)
}

/// Returns a rate in bytes per second.
fn rate(bytes: u64, since: Instant, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(since).as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / elapsed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
