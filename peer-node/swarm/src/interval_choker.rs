//! The choker of a closed group: served peers are selected only at fixed intervals.
//!
//! At each interval, the regular slots go to the interested neighbours that sent most during the last one, ties at random.
//! One optimistic neighbour is chosen at random among the choked and interested ones, at intervals of its own. Both timers
//! start shortly after the first neighbour is interested, so that all neighbours that connect at the start can be selected.
//!
//! A pure state machine: the driver passes in the time and carries out the selection.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use protocol::seeded_random::SeededRandom;

use super::choker::PeerKey;

#[cfg(test)]
mod tests;

/// Delay of the first selection after the first interest.
const GATHERING_DELAY: Duration = Duration::from_millis(300);

/// Configuration of an interval choker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalChokerConfig {
    /// Number of regular slots; the optimistic slot is additional.
    pub slots: usize,
    /// Interval between selections of regular slots.
    pub regular_interval: Duration,
    /// Interval between selections of the optimistic neighbour.
    pub optimistic_interval: Duration,
    /// Seed for random choices.
    pub seed: u64,
}

/// The changes made by one selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChokeSelection {
    /// Peers that are no longer served.
    pub choked: Vec<PeerKey>,
    /// Peers that are served from now on.
    pub unchoked: Vec<PeerKey>,
}

/// The served peers and the candidates.
#[derive(Debug)]
pub struct IntervalChoker {
    slots: usize,
    random: SeededRandom,
    regular_timer: IntervalTimer,
    optimistic_timer: IntervalTimer,
    peers: BTreeMap<PeerKey, IntervalPeer>,
    regular: BTreeSet<PeerKey>,
    /// May hold a regular slot as well.
    optimistic: Option<PeerKey>,
}

/// A neighbour.
#[derive(Debug, Default)]
struct IntervalPeer {
    is_interested: bool,
    /// Bytes received from it since the last selection of regular slots.
    received: u64,
}

/// A timer that fires once per interval after its start.
#[derive(Debug)]
struct IntervalTimer {
    interval: Duration,
    due: Option<Instant>,
}

impl IntervalChoker {
    /// Creates a choker without neighbours.
    pub fn new(config: IntervalChokerConfig) -> Self {
        Self {
            slots: config.slots,
            random: SeededRandom::from_seed(config.seed),
            regular_timer: IntervalTimer::new(config.regular_interval),
            optimistic_timer: IntervalTimer::new(config.optimistic_interval),
            peers: BTreeMap::new(),
            regular: BTreeSet::new(),
            optimistic: None,
        }
    }

    /// Records that a neighbour is interested.
    pub fn interested(&mut self, peer: PeerKey) {
        self.peers.entry(peer).or_default().is_interested = true;
    }

    /// Records that a neighbour is not interested. It keeps its slot until the next selection.
    pub fn not_interested(&mut self, peer: PeerKey) {
        self.peers.entry(peer).or_default().is_interested = false;
    }

    /// Removes a neighbour. Its slot stays free until the next selection.
    pub fn remove(&mut self, peer: PeerKey) {
        self.peers.remove(&peer);
        self.regular.remove(&peer);
        self.optimistic.take_if(|optimistic| *optimistic == peer);
    }

    /// Counts bytes received from a neighbour.
    pub fn received(&mut self, peer: PeerKey, bytes: u64) {
        let candidate = self.peers.entry(peer).or_default();
        candidate.received = candidate.received.saturating_add(bytes);
    }

    /// Resets the received bytes, because contributions no longer count once nothing is missing here.
    pub fn reset_received(&mut self) {
        self.peers.values_mut().for_each(|candidate| candidate.received = 0);
    }

    /// Returns the peers with a regular slot.
    pub fn regular(&self) -> impl Iterator<Item = PeerKey> {
        self.regular.iter().copied()
    }

    /// Returns the optimistic neighbour.
    pub const fn optimistic(&self) -> Option<PeerKey> {
        self.optimistic
    }

    /// Returns when the next selection is due if no event occurs before; `None` until a neighbour is interested.
    pub fn deadline(&self) -> Option<Instant> {
        [self.regular_timer.due, self.optimistic_timer.due].into_iter().flatten().min()
    }

    /// Selects the served neighbours, if a selection is due.
    pub fn select(&mut self, now: Instant) -> Option<ChokeSelection> {
        if self.peers.values().any(|candidate| candidate.is_interested) {
            // The first interest starts the clocks; neighbours that connect a moment later still take part.
            self.regular_timer.start(now + GATHERING_DELAY);
            self.optimistic_timer.start(now + GATHERING_DELAY);
        }
        let (is_regular_due, is_optimistic_due) =
            (self.regular_timer.has_elapsed(now), self.optimistic_timer.has_elapsed(now));
        if !is_regular_due && !is_optimistic_due {
            return None;
        }
        // A peer may move between the two kinds of slots, which is no change for it.
        let before = self.served();
        if is_regular_due {
            self.assign_regular();
        }
        if is_optimistic_due {
            self.choose_optimistic();
        }
        let after = self.served();
        debug_assert!(self.regular.len() <= self.slots, "more peers served than slots");
        Some(ChokeSelection {
            choked: before.difference(&after).copied().collect(),
            unchoked: after.difference(&before).copied().collect(),
        })
    }

    /// Assigns the regular slots to the neighbours that sent most.
    fn assign_regular(&mut self) {
        let random = &mut self.random;
        let interested = self.peers.iter().filter(|(_, candidate)| candidate.is_interested);
        let mut best: Vec<_> =
            interested.map(|(peer, candidate)| (candidate.received, random.next_u64(), *peer)).collect();
        best.sort_unstable_by_key(|place| Reverse(*place));
        self.regular = best.into_iter().take(self.slots).map(|(.., peer)| peer).collect();
        self.reset_received();
    }

    /// Chooses one of the waiting neighbours. If none waits, the current one stays as long as it is interested.
    fn choose_optimistic(&mut self) {
        let waiting: Vec<PeerKey> = self.waiting().collect();
        // Drawing a lot for each is simpler than an index into a list, and as fair.
        let lots = waiting.into_iter().map(|peer| (self.random.next_u64(), peer)).max();
        let stays = self.optimistic.filter(|peer| self.is_interested(*peer));
        self.optimistic = lots.map(|(_, peer)| peer).or(stays);
    }

    /// Returns the choked and interested neighbours.
    fn waiting(&self) -> impl Iterator<Item = PeerKey> {
        let interested = self.peers.iter().filter(|(_, candidate)| candidate.is_interested);
        interested.map(|(peer, _)| *peer).filter(|peer| !self.is_served(*peer))
    }

    fn is_interested(&self, peer: PeerKey) -> bool {
        self.peers.get(&peer).is_some_and(|candidate| candidate.is_interested)
    }

    fn is_served(&self, peer: PeerKey) -> bool {
        self.regular.contains(&peer) || self.optimistic == Some(peer)
    }

    fn served(&self) -> BTreeSet<PeerKey> {
        self.regular().chain(self.optimistic).collect()
    }
}

impl IntervalTimer {
    /// Minimum interval, so that the timer always advances.
    const MIN_INTERVAL: Duration = Duration::from_millis(1);

    fn new(interval: Duration) -> Self {
        Self { interval: interval.max(Self::MIN_INTERVAL), due: None }
    }

    /// Sets the first time to fire, unless the timer has been started.
    fn start(&mut self, first: Instant) {
        self.due.get_or_insert(first);
    }

    /// Returns true if the timer is due, and schedules it again.
    fn has_elapsed(&mut self, now: Instant) -> bool {
        let Some(due) = self.due.filter(|due| now >= *due) else { return false };
        // Missed intervals are skipped; the next one stays on the grid.
        let missed = now.saturating_duration_since(due).as_nanos() / self.interval.as_nanos();
        let missed = u32::try_from(missed).unwrap_or(u32::MAX - 1);
        self.due = Some(due + self.interval.saturating_mul(missed + 1));
        true
    }
}
