//! The trackers of a torrent, in announce order (BEP 12).

use std::collections::HashSet;
use std::time::Duration;

use protocol::backoff::{Backoff, BackoffRange};
use protocol::limits::MAX_TRACKERS;
use protocol::seeded_random::SeededRandom;
use tokio::time::Instant;

use super::tracker_url::{TrackerAddress, TrackerUrlError, shown_name};

/// Minimum and maximum delay after a failure.
const RETRY_DELAYS: BackoffRange = BackoffRange::new(Duration::from_secs(1), Duration::from_mins(30));

/// Number of a tracker within a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TrackerId(usize);

/// A tracker and its state.
#[derive(Debug)]
pub(super) struct TierTracker {
    pub(super) id: TrackerId,
    /// The tracker as it is shown; see [`shown_name`].
    pub(super) name: String,
    pub(super) address: Result<TrackerAddress, TrackerUrlError>,
    pub(super) status: TrackerStatus,
    pub(super) backoff: Backoff,
    /// The round of the last announce.
    pub(super) round: u32,
    /// True if the tracker has received `started`.
    pub(super) has_started: bool,
    /// Content of the last reply.
    pub(super) last_reply: LastReply,
}

/// State of a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TrackerStatus {
    Untried,
    /// The last announce succeeded. Except for events, the tracker is not contacted before this time.
    Working {
        not_before: Instant,
    },
    Failing {
        reason: String,
        retry_at: Instant,
    },
}

/// Content of a tracker's reply.
#[derive(Debug, Clone, Default)]
pub(super) struct LastReply {
    pub(super) seeders: Option<u32>,
    pub(super) leechers: Option<u32>,
    /// Opaque id to return in later announces.
    pub(super) tracker_id: Option<Vec<u8>>,
}

/// The tiers, each in announce order.
#[derive(Debug)]
pub(super) struct TrackerTiers(Vec<Vec<TierTracker>>);

impl TrackerTiers {
    /// Creates the tiers: each tracker once, in random order within its tier.
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

    /// Returns the trackers in announce order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &TierTracker> {
        self.0.iter().flatten()
    }

    pub(super) fn find_mut(&mut self, id: TrackerId) -> Option<&mut TierTracker> {
        self.0.iter_mut().flatten().find(|tracker| tracker.id == id)
    }

    /// Moves a working tracker to the front of its tier.
    pub(super) fn promote(&mut self, id: TrackerId) {
        for tier in &mut self.0 {
            if let Some(position) = tier.iter().position(|tracker| tracker.id == id) {
                tier.get_mut(..=position).unwrap_or_default().rotate_right(1);
            }
        }
    }
}

impl TierTracker {
    fn new(id: TrackerId, url: &str) -> Self {
        Self {
            id,
            name: shown_name(url),
            address: TrackerAddress::parse(url),
            status: TrackerStatus::Untried,
            backoff: Backoff::new(RETRY_DELAYS),
            round: 0,
            has_started: false,
            last_reply: LastReply::default(),
        }
    }
}

fn shuffle<T>(items: &mut [T], random: &mut SeededRandom) {
    for count in (2..=items.len()).rev() {
        let bound = u64::try_from(count).unwrap_or(u64::MAX);
        let index = usize::try_from(random.next_u64() % bound).unwrap_or(0);
        items.swap(index, count - 1);
    }
}
