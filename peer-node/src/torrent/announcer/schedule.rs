//! Decides which tracker is asked when, and with which event: pure, its time and its chance are arguments.
//!
//! The trackers are asked in the order of BEP 12: tier by tier, and within a tier in an order left to chance, in which a
//! tracker that answers moves to the front. One that answers is enough; the next time the first is tried again. A
//! round asks each tracker at most once, so that two that are slow to fail do not keep the others from their turn.
//!
//! Each tracker hears `started` first and `stopped` last. `completed` is said once, at once, and never of a torrent that
//! was complete when it started. Other than with these two last events, no tracker is asked before its minimum interval is
//! over.

#[cfg(test)]
mod tests;

use std::time::Duration;

use protocol::tracker::{AnnounceReply, TrackerEvent};
use tokio::time::Instant;

use super::interval_bounds::IntervalBounds;
use super::tiers::{LastReply, TierTracker, TrackerId, TrackerStatus, TrackerTiers};
use super::tracker_url::TrackerAddress;
use super::{TrackerState, TrackerView};
use swarm::SeededRandom;

/// One announcement that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DueAnnounce {
    pub(super) tracker: TrackerId,
    pub(super) address: TrackerAddress,
    pub(super) event: Option<TrackerEvent>,
    pub(super) tracker_id: Option<Vec<u8>>,
    /// Whether the tracker hears now that the torrent is complete.
    sends_completed: bool,
}

/// Whether the trackers have heard that the torrent is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CompletedEvent {
    NotDue,
    Pending,
    Sent,
}

/// Why an announcement failed, as far as it matters for when the next one is made.
#[derive(Debug, Clone)]
pub(super) struct AnnounceFailure {
    /// What is shown.
    pub(super) reason: String,
    /// Whether the tracker was there and said no.
    pub(super) is_refusal: bool,
    /// The pause for which the tracker asked.
    pub(super) retry_after: Option<Duration>,
}

/// Holds what is known of the trackers of one torrent.
#[derive(Debug)]
pub(super) struct AnnounceSchedule {
    tiers: TrackerTiers,
    bounds: IntervalBounds,
    random: SeededRandom,
    completion: CompletedEvent,
    /// Who is being asked.
    in_flight: Option<DueAnnounce>,
    /// When the next announcement is wanted.
    next_wanted: Instant,
    round: u32,
}

impl AnnounceSchedule {
    /// Begins with the first announcement due at once. A torrent that is complete already is never said to have become so.
    pub(super) fn new(
        tiers: &[Vec<String>],
        pacing: IntervalBounds,
        is_complete: bool,
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut random = SeededRandom::from_seed(seed);
        let tiers = TrackerTiers::new(tiers, &mut random);
        let completion = if is_complete { CompletedEvent::Sent } else { CompletedEvent::NotDue };
        Self { tiers, bounds: pacing, random, completion, in_flight: None, next_wanted: now, round: 1 }
    }

    /// Returns when [`AnnounceSchedule::announce`] is to be called. Nothing while an announcement is being made, and nothing if there is
    /// no tracker that can be asked.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.in_flight.is_some() { None } else { self.next_tracker().map(|(_, at)| at) }
    }

    /// Begins an announcement if one is due.
    pub(super) fn start_announce(&mut self, now: Instant) -> Option<DueAnnounce> {
        let (id, at) = self.next_tracker().filter(|_| self.in_flight.is_none())?;
        let tells_completion = self.completion == CompletedEvent::Pending;
        let round = self.round;
        let tracker = self.tiers.find_mut(id).filter(|_| at <= now)?;
        tracker.round = round;
        let event = match (tracker.has_started, tells_completion) {
            (false, _) => Some(TrackerEvent::Started),
            (true, true) => Some(TrackerEvent::Completed),
            (true, false) => None,
        };
        let turn = tracker.announce(event, tells_completion);
        self.in_flight.clone_from(&turn);
        turn
    }

    /// Takes the answer to the announcement that is being made.
    pub(super) fn answered(&mut self, reply: &AnnounceReply, now: Instant) {
        let Some(turn) = self.in_flight.take() else { return };
        let (interval, minimum) = self.bounds.intervals(reply);
        if let Some(tracker) = self.tiers.find_mut(turn.tracker) {
            tracker.backoff.reset();
            tracker.has_started = true;
            tracker.status = TrackerStatus::Working { not_before: now + minimum };
            tracker.last_reply = LastReply {
                seeders: reply.complete,
                leechers: reply.incomplete,
                tracker_id: reply.tracker_id.clone().or(turn.tracker_id),
            };
        }
        self.tiers.promote(turn.tracker);
        if turn.sends_completed {
            self.completion = CompletedEvent::Sent;
        }
        // Became complete while the answer was on its way: that is said at once.
        self.next_wanted = if self.completion == CompletedEvent::Pending { now } else { now + interval };
        self.round = self.round.wrapping_add(1);
    }

    /// Takes the failure of the announcement that is being made, and returns the pause before the tracker is asked again.
    pub(super) fn failed(&mut self, setback: AnnounceFailure, now: Instant) -> Duration {
        let Some(turn) = self.in_flight.take() else { return Duration::ZERO };
        let random = self.random.next_u64();
        let mut pause = Duration::ZERO;
        if let Some(tracker) = self.tiers.find_mut(turn.tracker) {
            pause = tracker.backoff.next_delay(random);
            if setback.is_refusal {
                pause = pause.max(self.bounds.after_refusal);
            }
            // Bounded, since a tracker that wants to be rid of us for ever may change its mind.
            pause = pause.max(setback.retry_after.unwrap_or_default().min(self.bounds.max));
            tracker.status = TrackerStatus::Failing { reason: setback.reason, retry_at: now + pause };
        }
        let all_asked = self.usable().all(|tracker| tracker.round == self.round);
        if all_asked {
            self.round = self.round.wrapping_add(1);
        }
        pause
    }

    /// Notes that the torrent has become complete.
    pub(super) fn completed(&mut self, now: Instant) {
        if self.completion == CompletedEvent::NotDue {
            self.completion = CompletedEvent::Pending;
            self.next_wanted = self.next_wanted.min(now);
        }
    }

    /// Asks for peers as soon as a tracker may be asked.
    pub(super) fn request_peers(&mut self, now: Instant) {
        self.next_wanted = self.next_wanted.min(now);
    }

    /// Lists whom to tell that we take part no longer: all that know, or may come to know, that we did.
    pub(super) fn stopped_announces(&self) -> Vec<DueAnnounce> {
        let asked = self.in_flight.as_ref().map(|turn| turn.tracker);
        let knowing = self.usable().filter(|tracker| tracker.has_started || Some(tracker.id) == asked);
        knowing.filter_map(|tracker| tracker.announce(Some(TrackerEvent::Stopped), false)).collect()
    }

    /// Tells how each tracker stands.
    pub(super) fn views(&self) -> Vec<TrackerView> {
        let asked = self.in_flight.as_ref().map(|turn| turn.tracker);
        let next = self.next_tracker().filter(|_| asked.is_none());
        let view = |tracker: &TierTracker| {
            let is_next = next.filter(|(id, _)| *id == tracker.id).map(|(_, at)| at);
            let (state, at) = match (&tracker.address, &tracker.status) {
                (Err(error), _) => (TrackerState::Unusable { reason: error.to_string() }, None),
                _ if Some(tracker.id) == asked => (TrackerState::Announcing, None),
                (_, TrackerStatus::Untried) => (TrackerState::Untried, is_next),
                (_, TrackerStatus::Working { .. }) => (TrackerState::Working, is_next),
                (_, TrackerStatus::Failing { reason, retry_at }) => {
                    (TrackerState::Failing { reason: reason.clone() }, is_next.or(Some(*retry_at)))
                }
            };
            TrackerView {
                url: tracker.url.clone(),
                state,
                seeders: tracker.last_reply.seeders,
                leechers: tracker.last_reply.leechers,
                next_announce: at,
            }
        };
        self.tiers.iter().map(view).collect()
    }

    fn usable(&self) -> impl Iterator<Item = &TierTracker> {
        self.tiers.iter().filter(|tracker| tracker.address.is_ok())
    }

    /// Finds who is to be asked next, and when: the first in order, but while one of those before is failing, not later than
    /// the first that is not.
    fn next_tracker(&self) -> Option<(TrackerId, Instant)> {
        let mut best: Option<(TrackerId, Instant)> = None;
        for tracker in self.usable().filter(|tracker| tracker.round != self.round) {
            let held_until = match &tracker.status {
                TrackerStatus::Untried => self.next_wanted,
                // That something has happened is said at once.
                TrackerStatus::Working { .. } if self.completion == CompletedEvent::Pending => {
                    self.next_wanted
                }
                TrackerStatus::Working { not_before } => *not_before,
                TrackerStatus::Failing { retry_at, .. } => *retry_at,
            };
            let at = held_until.max(self.next_wanted);
            if best.is_none_or(|(_, earliest)| at < earliest) {
                best = Some((tracker.id, at));
            }
            if !matches!(tracker.status, TrackerStatus::Failing { .. }) {
                break;
            }
        }
        best
    }
}

impl TierTracker {
    fn announce(&self, event: Option<TrackerEvent>, tells_completion: bool) -> Option<DueAnnounce> {
        let address = self.address.as_ref().ok()?.clone();
        let tracker_id = self.last_reply.tracker_id.clone();
        Some(DueAnnounce { tracker: self.id, address, event, tracker_id, sends_completed: tells_completion })
    }
}
