//! The trackers of a torrent in the order in which they are asked (BEP 12).

use std::collections::HashSet;
use std::time::Duration;

use protocol::limits::MAX_TRACKERS;
use tokio::time::Instant;

use super::tracker_url::{TrackerAddress, TrackerUrlError};
use crate::backoff::Backoff;
use swarm::SeededRandom;

/// The pauses after failures: from a second, doubled each time.
const MIN_RETRY_DELAY: Duration = Duration::from_secs(1);

/// No pause after a failure is longer.
const MAX_RETRY_DELAY: Duration = Duration::from_mins(30);

/// The number of a tracker within a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TrackerId(usize);

/// A tracker, and what is known of it.
#[derive(Debug)]
pub(super) struct TierTracker {
    pub(super) id: TrackerId,
    pub(super) url: String,
    pub(super) address: Result<TrackerAddress, TrackerUrlError>,
    pub(super) status: TrackerStatus,
    pub(super) backoff: Backoff,
    /// The round in which it was last asked.
    pub(super) round: u32,
    /// Whether it has heard that we take part.
    pub(super) has_started: bool,
    /// What it told when it last answered.
    pub(super) last_reply: LastReply,
}

/// How a tracker stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TrackerStatus {
    Untried,
    /// It answered; unless something has happened, it is not asked again before this time.
    Working {
        not_before: Instant,
    },
    Failing {
        reason: String,
        retry_at: Instant,
    },
}

/// What a tracker told.
#[derive(Debug, Clone, Default)]
pub(super) struct LastReply {
    pub(super) seeders: Option<u32>,
    pub(super) leechers: Option<u32>,
    /// What it wants to be given back.
    pub(super) tracker_id: Option<Vec<u8>>,
}

/// Holds the tiers, each in its order.
#[derive(Debug)]
pub(super) struct TrackerTiers(Vec<Vec<TierTracker>>);

impl TrackerTiers {
    /// Takes the tiers of a torrent: each tracker once, the order within a tier left to chance.
    pub(super) fn new(tiers: &[Vec<String>], random: &mut SeededRandom) -> Self {
        let mut seen = HashSet::new();
        let mut known = Vec::new();
        for tier in tiers {
            let mut trackers = Vec::new();
            for url in tier {
                if seen.len() < MAX_TRACKERS && seen.insert(url) {
                    trackers.push(TierTracker::new(TrackerId(seen.len()), url));
                }
            }
            shuffle(&mut trackers, random);
            known.push(trackers);
        }
        Self(known)
    }

    /// Lists the trackers in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &TierTracker> {
        self.0.iter().flatten()
    }

    pub(super) fn find_mut(&mut self, id: TrackerId) -> Option<&mut TierTracker> {
        self.0.iter_mut().flatten().find(|tracker| tracker.id == id)
    }

    /// Moves a tracker to the front of its tier, since it answered.
    pub(super) fn promote(&mut self, id: TrackerId) {
        for tier in &mut self.0 {
            if let Some(place) = tier.iter().position(|tracker| tracker.id == id) {
                tier.get_mut(..=place).unwrap_or_default().rotate_right(1);
            }
        }
    }
}

impl TierTracker {
    fn new(id: TrackerId, url: &str) -> Self {
        Self {
            id,
            url: url.to_owned(),
            address: TrackerAddress::parse(url),
            status: TrackerStatus::Untried,
            backoff: Backoff::between(MIN_RETRY_DELAY, MAX_RETRY_DELAY),
            round: 0,
            has_started: false,
            last_reply: LastReply::default(),
        }
    }
}

fn shuffle<T>(items: &mut [T], random: &mut SeededRandom) {
    for count in (2..=items.len()).rev() {
        let bound = u64::try_from(count).unwrap_or(u64::MAX);
        let place = usize::try_from(random.next_u64() % bound).unwrap_or(0);
        items.swap(place, count - 1);
    }
}
