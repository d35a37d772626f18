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

use protocol::tracker::{AnnounceReply, Event};
use tokio::time::Instant;

use super::pacing::Pacing;
use super::tiers::{Standing, Tiers, Told, Tracker, TrackerId};
use super::tracker_address::TrackerAddress;
use super::{TrackerState, TrackerView};
use crate::swarm::Random;

/// One announcement that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) tracker: TrackerId,
    pub(super) address: TrackerAddress,
    pub(super) event: Option<Event>,
    pub(super) tracker_id: Option<Vec<u8>>,
    /// Whether the tracker hears now that the torrent is complete.
    tells_completion: bool,
}

/// Whether the trackers have heard that the torrent is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Completion {
    NotYet,
    ToBeTold,
    Told,
}

/// Why an announcement failed, as far as it matters for when the next one is made.
#[derive(Debug, Clone)]
pub(super) struct Setback {
    /// What is shown.
    pub(super) reason: String,
    /// Whether the tracker was there and said no.
    pub(super) refused: bool,
    /// The pause for which the tracker asked.
    pub(super) asked_pause: Option<Duration>,
}

/// Holds what is known of the trackers of one torrent.
#[derive(Debug)]
pub(super) struct Schedule {
    tiers: Tiers,
    pacing: Pacing,
    random: Random,
    completion: Completion,
    /// Who is being asked.
    asked: Option<Turn>,
    /// When the next announcement is wanted.
    wanted_at: Instant,
    round: u32,
}

impl Schedule {
    /// Begins with the first announcement due at once. A torrent that is complete already is never said to have become so.
    pub(super) fn new(
        tiers: &[Vec<String>],
        pacing: Pacing,
        is_complete: bool,
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut random = Random::from_seed(seed);
        let tiers = Tiers::new(tiers, &mut random);
        let completion = if is_complete { Completion::Told } else { Completion::NotYet };
        Self { tiers, pacing, random, completion, asked: None, wanted_at: now, round: 1 }
    }

    /// Returns when [`Schedule::turn`] is to be called. Nothing while an announcement is being made, and nothing if there is
    /// no tracker that can be asked.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.asked.is_some() { None } else { self.candidate().map(|(_, at)| at) }
    }

    /// Begins an announcement if one is due.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Turn> {
        let (id, at) = self.candidate().filter(|_| self.asked.is_none())?;
        let tells_completion = self.completion == Completion::ToBeTold;
        let round = self.round;
        let tracker = self.tiers.find_mut(id).filter(|_| at <= now)?;
        tracker.round = round;
        let event = match (tracker.knows_us, tells_completion) {
            (false, _) => Some(Event::Started),
            (true, true) => Some(Event::Completed),
            (true, false) => None,
        };
        let turn = tracker.turn(event, tells_completion);
        self.asked.clone_from(&turn);
        turn
    }

    /// Takes the answer to the announcement that is being made.
    pub(super) fn answered(&mut self, reply: &AnnounceReply, now: Instant) {
        let Some(turn) = self.asked.take() else { return };
        let (interval, minimum) = self.pacing.intervals(reply);
        if let Some(tracker) = self.tiers.find_mut(turn.tracker) {
            tracker.backoff.reset();
            tracker.knows_us = true;
            tracker.standing = Standing::Working { not_before: now + minimum };
            tracker.told = Told {
                seeders: reply.complete,
                leechers: reply.incomplete,
                tracker_id: reply.tracker_id.clone().or(turn.tracker_id),
            };
        }
        self.tiers.promote(turn.tracker);
        if turn.tells_completion {
            self.completion = Completion::Told;
        }
        // Became complete while the answer was on its way: that is said at once.
        self.wanted_at = if self.completion == Completion::ToBeTold { now } else { now + interval };
        self.round = self.round.wrapping_add(1);
    }

    /// Takes the failure of the announcement that is being made, and returns the pause before the tracker is asked again.
    pub(super) fn failed(&mut self, setback: Setback, now: Instant) -> Duration {
        let Some(turn) = self.asked.take() else { return Duration::ZERO };
        let random = self.random.draw();
        let mut pause = Duration::ZERO;
        if let Some(tracker) = self.tiers.find_mut(turn.tracker) {
            pause = tracker.backoff.pause(random);
            if setback.refused {
                pause = pause.max(self.pacing.after_refusal);
            }
            // Bounded, since a tracker that wants to be rid of us for ever may change its mind.
            pause = pause.max(setback.asked_pause.unwrap_or_default().min(self.pacing.longest));
            tracker.standing = Standing::Failing { reason: setback.reason, retry_at: now + pause };
        }
        let all_asked = self.usable().all(|tracker| tracker.round == self.round);
        if all_asked {
            self.round = self.round.wrapping_add(1);
        }
        pause
    }

    /// Notes that the torrent has become complete.
    pub(super) fn completed(&mut self, now: Instant) {
        if self.completion == Completion::NotYet {
            self.completion = Completion::ToBeTold;
            self.wanted_at = self.wanted_at.min(now);
        }
    }

    /// Asks for peers as soon as a tracker may be asked.
    pub(super) fn want_peers(&mut self, now: Instant) {
        self.wanted_at = self.wanted_at.min(now);
    }

    /// Lists whom to tell that we take part no longer: all that know, or may come to know, that we did.
    pub(super) fn farewells(&self) -> Vec<Turn> {
        let asked = self.asked.as_ref().map(|turn| turn.tracker);
        let knowing = self.usable().filter(|tracker| tracker.knows_us || Some(tracker.id) == asked);
        knowing.filter_map(|tracker| tracker.turn(Some(Event::Stopped), false)).collect()
    }

    /// Tells how each tracker stands.
    pub(super) fn views(&self) -> Vec<TrackerView> {
        let asked = self.asked.as_ref().map(|turn| turn.tracker);
        let next = self.candidate().filter(|_| asked.is_none());
        let view = |tracker: &Tracker| {
            let is_next = next.filter(|(id, _)| *id == tracker.id).map(|(_, at)| at);
            let (state, at) = match (&tracker.address, &tracker.standing) {
                (Err(error), _) => (TrackerState::Unusable { reason: error.to_string() }, None),
                _ if Some(tracker.id) == asked => (TrackerState::Announcing, None),
                (_, Standing::Untried) => (TrackerState::Untried, is_next),
                (_, Standing::Working { .. }) => (TrackerState::Working, is_next),
                (_, Standing::Failing { reason, retry_at }) => {
                    (TrackerState::Failing { reason: reason.clone() }, is_next.or(Some(*retry_at)))
                }
            };
            TrackerView {
                url: tracker.url.clone(),
                state,
                seeders: tracker.told.seeders,
                leechers: tracker.told.leechers,
                next: at,
            }
        };
        self.tiers.iter().map(view).collect()
    }

    fn usable(&self) -> impl Iterator<Item = &Tracker> {
        self.tiers.iter().filter(|tracker| tracker.address.is_ok())
    }

    /// Finds who is to be asked next, and when: the first in order, but while one of those before is failing, not later than
    /// the first that is not.
    fn candidate(&self) -> Option<(TrackerId, Instant)> {
        let mut best: Option<(TrackerId, Instant)> = None;
        for tracker in self.usable().filter(|tracker| tracker.round != self.round) {
            let held_until = match &tracker.standing {
                Standing::Untried => self.wanted_at,
                // That something has happened is said at once.
                Standing::Working { .. } if self.completion == Completion::ToBeTold => self.wanted_at,
                Standing::Working { not_before } => *not_before,
                Standing::Failing { retry_at, .. } => *retry_at,
            };
            let at = held_until.max(self.wanted_at);
            if best.is_none_or(|(_, earliest)| at < earliest) {
                best = Some((tracker.id, at));
            }
            if !matches!(tracker.standing, Standing::Failing { .. }) {
                break;
            }
        }
        best
    }
}

impl Tracker {
    fn turn(&self, event: Option<Event>, tells_completion: bool) -> Option<Turn> {
        let address = self.address.as_ref().ok()?.clone();
        let tracker_id = self.told.tracker_id.clone();
        Some(Turn { tracker: self.id, address, event, tracker_id, tells_completion })
    }
}
