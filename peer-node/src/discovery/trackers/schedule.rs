//! Decides when to announce to which tracker, and with which event. Pure: time and random seed are arguments.
//!
//! Trackers are used in the order of BEP 12: tier by tier, and within a tier in random order, where a working tracker
//! moves to the front. One working tracker is enough; the next announce starts with the first tracker again. Each round
//! contacts a tracker at most once, so that trackers that fail slowly do not block the others.
//!
//! Each tracker receives `started` first and `stopped` last. `completed` is sent once, at once, and never for a torrent
//! that was complete at the start. Apart from these two events, no tracker is contacted before its minimum interval has
//! passed.

#[cfg(test)]
mod tests;

use std::time::Duration;

use protocol::seeded_random::SeededRandom;
use protocol::tracker::{AnnounceReply, TrackerEvent};
use tokio::time::Instant;

use super::interval_bounds::IntervalBounds;
use super::tiers::{LastReply, TierTracker, TrackerId, TrackerStatus, TrackerTiers};
use super::tracker_url::TrackerAddress;
use crate::view::{TrackerState, TrackerView};

/// An announce to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DueAnnounce {
    pub(super) tracker: TrackerId,
    pub(super) address: TrackerAddress,
    pub(super) event: Option<TrackerEvent>,
    pub(super) tracker_id: Option<Vec<u8>>,
    /// True if this announce reports completion of the torrent.
    sends_completed: bool,
}

/// State of the `completed` event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CompletedEvent {
    NotDue,
    Pending,
    Sent,
}

/// Why an announce failed, as far as it affects the schedule.
#[derive(Debug, Clone)]
pub(super) struct AnnounceFailure {
    /// The reason to show.
    pub(super) reason: String,
    /// True if the tracker was reached and refused.
    pub(super) is_refusal: bool,
    /// Delay requested by the tracker.
    pub(super) retry_after: Option<Duration>,
}

/// The announce schedule of one torrent.
#[derive(Debug)]
pub(super) struct AnnounceSchedule {
    tiers: TrackerTiers,
    bounds: IntervalBounds,
    random: SeededRandom,
    completion: CompletedEvent,
    /// The announce in progress.
    in_flight: Option<DueAnnounce>,
    /// When the next announce is wanted.
    next_wanted: Instant,
    round: u32,
}

impl AnnounceSchedule {
    /// Creates a schedule whose first announce is due at once. `completed` is never sent for a torrent that is complete
    /// already.
    pub(super) fn new(
        tiers: &[Vec<String>],
        bounds: IntervalBounds,
        is_complete: bool,
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut random = SeededRandom::from_seed(seed);
        let tiers = TrackerTiers::new(tiers, &mut random);
        let completion = if is_complete { CompletedEvent::Sent } else { CompletedEvent::NotDue };
        Self { tiers, bounds, random, completion, in_flight: None, next_wanted: now, round: 1 }
    }

    /// Returns when to call [`AnnounceSchedule::start_announce`]; none during an announce or without a usable tracker.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.in_flight.is_some() { None } else { self.next_tracker().map(|(_, at)| at) }
    }

    /// Starts an announce if one is due.
    pub(super) fn start_announce(&mut self, now: Instant) -> Option<DueAnnounce> {
        let (id, at) = self.next_tracker().filter(|_| self.in_flight.is_none())?;
        let sends_completed = self.completion == CompletedEvent::Pending;
        let round = self.round;
        let tracker = self.tiers.find_mut(id).filter(|_| at <= now)?;
        tracker.round = round;
        let event = match (tracker.has_started, sends_completed) {
            (false, _) => Some(TrackerEvent::Started),
            (true, true) => Some(TrackerEvent::Completed),
            (true, false) => None,
        };
        let announce = tracker.announce(event, sends_completed);
        self.in_flight.clone_from(&announce);
        announce
    }

    /// Records the reply to the announce in progress.
    pub(super) fn answered(&mut self, reply: &AnnounceReply, now: Instant) {
        let Some(announce) = self.in_flight.take() else { return };
        let (interval, minimum) = self.bounds.intervals(reply);
        if let Some(tracker) = self.tiers.find_mut(announce.tracker) {
            tracker.backoff.reset();
            tracker.has_started = true;
            tracker.status = TrackerStatus::Working { not_before: now + minimum };
            tracker.last_reply = LastReply {
                seeders: reply.complete,
                leechers: reply.incomplete,
                tracker_id: reply.tracker_id.clone().or(announce.tracker_id),
            };
        }
        self.tiers.promote(announce.tracker);
        if announce.sends_completed {
            self.completion = CompletedEvent::Sent;
        }
        // The torrent was completed during the announce: report that at once.
        self.next_wanted = if self.completion == CompletedEvent::Pending { now } else { now + interval };
        self.round = self.round.wrapping_add(1);
    }

    /// Records the failure of the announce in progress; returns the delay before the tracker is contacted again.
    pub(super) fn failed(&mut self, failure: AnnounceFailure, now: Instant) -> Duration {
        let Some(announce) = self.in_flight.take() else { return Duration::ZERO };
        let random = self.random.next_u64();
        let mut pause = Duration::ZERO;
        if let Some(tracker) = self.tiers.find_mut(announce.tracker) {
            pause = tracker.backoff.next_delay(random);
            if failure.is_refusal {
                pause = pause.max(self.bounds.after_refusal);
            }
            // Bounded, since a tracker that wants to block us forever may change its mind.
            pause = pause.max(failure.retry_after.unwrap_or_default().min(self.bounds.max));
            tracker.status = TrackerStatus::Failing { reason: failure.reason, retry_at: now + pause };
        }
        let is_round_over = self.usable().all(|tracker| tracker.round == self.round);
        if is_round_over {
            self.round = self.round.wrapping_add(1);
        }
        pause
    }

    /// Records that the torrent is complete.
    pub(super) fn completed(&mut self, now: Instant) {
        if self.completion == CompletedEvent::NotDue {
            self.completion = CompletedEvent::Pending;
            self.next_wanted = self.next_wanted.min(now);
        }
    }

    /// Requests peers as soon as a tracker may be contacted.
    pub(super) fn request_peers(&mut self, now: Instant) {
        self.next_wanted = self.next_wanted.min(now);
    }

    /// Returns the `stopped` announces: to all trackers that know us or may have received an announce.
    pub(super) fn stopped_announces(&self) -> Vec<DueAnnounce> {
        let in_flight = self.in_flight.as_ref().map(|announce| announce.tracker);
        let informed = self.usable().filter(|tracker| tracker.has_started || Some(tracker.id) == in_flight);
        informed.filter_map(|tracker| tracker.announce(Some(TrackerEvent::Stopped), false)).collect()
    }

    /// Returns the view of each tracker.
    pub(super) fn views(&self) -> Vec<TrackerView> {
        let in_flight = self.in_flight.as_ref().map(|announce| announce.tracker);
        let next = self.next_tracker().filter(|_| in_flight.is_none());
        let view = |tracker: &TierTracker| {
            let is_next = next.filter(|(id, _)| *id == tracker.id).map(|(_, at)| at);
            let (state, at) = match (&tracker.address, &tracker.status) {
                (Err(error), _) => (TrackerState::Unusable { reason: error.to_string() }, None),
                _ if Some(tracker.id) == in_flight => (TrackerState::Announcing, None),
                (_, TrackerStatus::Untried) => (TrackerState::Untried, is_next),
                (_, TrackerStatus::Working { .. }) => (TrackerState::Working, is_next),
                (_, TrackerStatus::Failing { reason, retry_at }) => {
                    (TrackerState::Failing { reason: reason.clone() }, is_next.or(Some(*retry_at)))
                }
            };
            TrackerView {
                name: tracker.name.clone(),
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

    /// Returns the next tracker and its time: the first in order; but while earlier trackers are failing, no later than
    /// the first one that is not.
    fn next_tracker(&self) -> Option<(TrackerId, Instant)> {
        let mut best: Option<(TrackerId, Instant)> = None;
        for tracker in self.usable().filter(|tracker| tracker.round != self.round) {
            let not_before = match &tracker.status {
                TrackerStatus::Untried => self.next_wanted,
                // Completion is announced at once.
                TrackerStatus::Working { .. } if self.completion == CompletedEvent::Pending => {
                    self.next_wanted
                }
                TrackerStatus::Working { not_before } => *not_before,
                TrackerStatus::Failing { retry_at, .. } => *retry_at,
            };
            let at = not_before.max(self.next_wanted);
            // While earlier trackers are failing, a later one may be available sooner.
            if best.is_none_or(|(_, earliest)| at < earliest) {
                best = Some((tracker.id, at));
            }
            // Trackers behind one that is not failing are substitutes only.
            if !matches!(tracker.status, TrackerStatus::Failing { .. }) {
                break;
            }
        }
        best
    }
}

impl TierTracker {
    fn announce(&self, event: Option<TrackerEvent>, sends_completed: bool) -> Option<DueAnnounce> {
        let address = self.address.as_ref().ok()?.clone();
        let tracker_id = self.last_reply.tracker_id.clone();
        Some(DueAnnounce { tracker: self.id, address, event, tracker_id, sends_completed })
    }
}
