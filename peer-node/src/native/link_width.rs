//! Decides how many connections a link should use for sending. Pure: time and measurements are arguments.
//!
//! A loss-based congestion control such as cubic leaves a long path with random losses mostly idle. Several connections
//! share the losses, and each has its own slow start. But they take bandwidth from other users of the path, so half of them
//! are closed when the other half carries as much.

use std::time::{Duration, Instant};

use protocol::limits::MAX_CONNECTIONS_PER_LINK;

/// On shorter paths a single connection recovers from a loss before it matters.
const MIN_DISTANT_RTT: Duration = Duration::from_millis(5);

/// On longer paths a single connection takes too long to reach the rate of a fast line.
const MIN_FAR_RTT: Duration = Duration::from_millis(40);

/// Delay, and minimum number of round trips, before a trial finds out whether half of the connections carry as much. The
/// delay doubles after a failed trial.
const TRIAL_DELAY: (Duration, u32) = (Duration::from_secs(12), 120);
const MAX_TRIAL_DELAY: Duration = Duration::from_mins(2);

/// Minimum duration of a trial, and minimum number of round trips. The rate of the second half counts.
const TRIAL_TIME: (Duration, u32) = (Duration::from_secs(3), 20);

/// Half of the connections suffice if they reach this percentage of the rate.
const SUFFICIENT_PERCENT: u64 = 85;

/// On a path that is near, or that loses segments during the trial, the trial ends after a third if the rate is below this
/// percentage by then: half of the connections would recover within a few round trips, or not at all.
const HOPELESS_PERCENT: u64 = 65;

/// Time without sent data after which the further connections are closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A measurement of a link that sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkObservation {
    /// Whether blocks are waiting to be sent.
    pub(super) is_busy: bool,
    /// Whether an upload limit holds them up; then more connections do not help.
    pub(super) is_limited: bool,
    /// Whether the system's congestion control slows down at every loss.
    pub(super) is_loss_based: bool,
    /// Minimum measured round-trip time. The minimum excludes the queues that we fill ourselves.
    pub(super) rtt: Duration,
    /// Segments that the first connection has retransmitted.
    pub(super) retransmitted: u64,
    /// Bytes of content sent over all connections.
    pub(super) sent: u64,
}

/// The number of connections that a link should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkWidth {
    /// Open connections, including the first.
    pub(super) open: usize,
    /// Connections in use.
    pub(super) used: usize,
}

impl LinkWidth {
    pub(super) const ONE: Self = Self { open: 1, used: 1 };
}

/// Controls the number of connections of one link.
#[derive(Debug)]
pub(super) struct WidthController {
    stage: WidthStage,
    /// Time since which blocks have been waiting without interruption, and the segments retransmitted by then.
    busy_since: Option<(Instant, u64)>,
    /// Time and total of the last observation in which data had been sent.
    last_sent: (Instant, u64),
    trial_delay: Duration,
}

#[derive(Debug, Clone, Copy)]
enum WidthStage {
    /// One connection, at least until this time.
    One { until: Instant },
    /// Several connections, all in use. `mark` is the start of the rate measurement: time and bytes sent.
    Several { open: usize, trial_at: Instant, mark: Option<(Instant, u64)> },
    /// Half of the connections are in use, to find out whether they suffice. `rate` was measured with all of them, `lost`
    /// counts segments retransmitted before.
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

    /// Records an observation and returns the number of connections to use from now on.
    pub(super) fn observe(&mut self, observation: &LinkObservation, now: Instant) -> LinkWidth {
        if observation.sent > self.last_sent.1 {
            self.last_sent = (now, observation.sent);
        }
        // An upload limit, not the path, would determine the rate.
        let is_busy = observation.is_busy && !observation.is_limited;
        if !is_busy {
            self.busy_since = None;
        } else if self.busy_since.is_none() {
            self.busy_since = Some((now, observation.retransmitted));
        }
        let is_idle = now.saturating_duration_since(self.last_sent.0) >= IDLE_TIMEOUT;
        // Unused connections would only hold slots and memory on both sides.
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
        // The trial grows with the round-trip time, so that congestion windows can adapt.
        let trial = TRIAL_TIME.0.max(observation.rtt * TRIAL_TIME.1);
        match self.stage {
            WidthStage::One { until } if now >= until && self.falls_short(observation, now) => {
                self.trial_delay = TRIAL_DELAY.0.max(observation.rtt * TRIAL_DELAY.1);
                let trial_at = now + self.trial_delay;
                WidthStage::Several { open: MAX_CONNECTIONS_PER_LINK, trial_at, mark: None }
            }
            WidthStage::Several { open, trial_at, mark } => match (self.busy_since, mark) {
                // The rate is a property of the path only while nothing else limits it.
                (None, _) => {
                    WidthStage::Several { open, trial_at: trial_at.max(now + trial / 2), mark: None }
                }
                (Some(_), Some((since, sent))) if now >= trial_at => {
                    let rate = rate(observation.sent - sent, since, now);
                    let lost = observation.retransmitted;
                    WidthStage::Trial { open, begun: now, rate, lost, mark: None }
                }
                // The full rate is measured just before the trial, over half of the trial's length.
                (Some(_), None) if now + trial / 2 >= trial_at => {
                    let trial_at = now + trial / 2;
                    WidthStage::Several { open, trial_at, mark: Some((now, observation.sent)) }
                }
                _ => self.stage,
            },
            WidthStage::Trial { open, begun, rate: full, lost, mark } => match (self.busy_since, mark) {
                (None, _) => WidthStage::Several { open, trial_at: now + self.trial_delay, mark: None },
                // The first sixth is ignored: blocks already in the sockets of the other connections still arrive.
                (Some(_), None) if now >= begun + trial / 6 => {
                    WidthStage::Trial { open, begun, rate: full, lost, mark: Some((now, observation.sent)) }
                }
                // In the first half, only a hopeless rate counts.
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
                        // The second half is measured anew, because the connections have settled by then.
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

    /// Returns the stage after a trial.
    fn end_trial(&mut self, open: usize, is_sufficient: bool, now: Instant) -> WidthStage {
        if !is_sufficient {
            self.trial_delay = (self.trial_delay * 2).min(MAX_TRIAL_DELAY);
            return WidthStage::Several { open, trial_at: now + self.trial_delay, mark: None };
        }
        match open / 2 {
            // The cause of the slow first connection is over, or more connections do not help.
            0 | 1 => WidthStage::One { until: now + MAX_TRIAL_DELAY },
            fewer => WidthStage::Several { open: fewer, trial_at: now + TRIAL_TIME.0, mark: None },
        }
    }

    /// Returns true if one connection probably uses less than the path can carry.
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

/// Returns true if `rate` is at least this percentage of `full`.
fn reaches_percent(rate: u64, full: u64, percent: u64) -> bool {
    u128::from(rate) * 100 >= u128::from(full) * u128::from(percent)
}

/// Returns a rate in bytes per second.
fn rate(bytes: u64, since: Instant, now: Instant) -> u64 {
    let elapsed = now.saturating_duration_since(since).as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1000 / elapsed).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
