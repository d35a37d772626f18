//! The choker of a closed group: whoever is served is chosen by the clock, and by nothing else in between.
//!
//! Every interval the regular slots go to those interested neighbours that sent most in the last one, ties at random. One
//! optimistic neighbour is chosen at random among those that are choked and interested, at intervals of its own. Both clocks begin
//! shortly after the first neighbour is interested, so that those which connect together at the start are chosen among.
//!
//! It is a pure machine: whoever drives it passes the time in and carries out what it selects.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::choker::PeerKey;
use super::random::SeededRandom;

#[cfg(test)]
mod tests;

/// How long after the first interest the first selection is.
const GATHERING_DELAY: Duration = Duration::from_millis(300);

/// How a closed group chooses whom it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalChokerConfig {
    /// How many regular slots there are; the optimistic one comes on top.
    pub slots: usize,
    /// How often the regular slots are given.
    pub regular_interval: Duration,
    /// How often the optimistic neighbour is chosen.
    pub optimistic_interval: Duration,
    /// Where randomness starts.
    pub seed: u64,
}

/// Who is choked and who is unchoked at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChokeSelection {
    /// Those that are not served any more.
    pub choked: Vec<PeerKey>,
    /// Those that are served from now on.
    pub unchoked: Vec<PeerKey>,
}

/// Who is served, and what is known of those that might be.
#[derive(Debug)]
pub struct IntervalChoker {
    slots: usize,
    random: SeededRandom,
    regular_timer: IntervalTimer,
    optimistic_timer: IntervalTimer,
    peers: BTreeMap<PeerKey, IntervalPeer>,
    regular: BTreeSet<PeerKey>,
    /// May have a regular slot as well.
    optimistic: Option<PeerKey>,
}

/// A neighbour.
#[derive(Debug, Default)]
struct IntervalPeer {
    is_interested: bool,
    /// Bytes that it sent since the regular slots were last given.
    received: u64,
}

/// Strikes once an interval once it has begun.
#[derive(Debug)]
struct IntervalTimer {
    interval: Duration,
    due: Option<Instant>,
}

impl IntervalChoker {
    /// Begins with nobody to serve.
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

    /// Notes that a neighbour wants something from us.
    pub fn interested(&mut self, peer: PeerKey) {
        self.peers.entry(peer).or_default().is_interested = true;
    }

    /// Notes that a neighbour wants nothing from us. It keeps its slot until the next selection.
    pub fn not_interested(&mut self, peer: PeerKey) {
        self.peers.entry(peer).or_default().is_interested = false;
    }

    /// Forgets a neighbour. Its slot stays free until the next selection.
    pub fn remove(&mut self, peer: PeerKey) {
        self.peers.remove(&peer);
        self.regular.remove(&peer);
        self.optimistic.take_if(|optimistic| *optimistic == peer);
    }

    /// Counts bytes that came from a neighbour.
    pub fn received(&mut self, peer: PeerKey, bytes: u64) {
        let candidate = self.peers.entry(peer).or_default();
        candidate.received = candidate.received.saturating_add(bytes);
    }

    /// Forgets who sent what: it earns nothing where nothing is wanted any more.
    pub fn forget_received(&mut self) {
        self.peers.values_mut().for_each(|candidate| candidate.received = 0);
    }

    /// Returns those that have a regular slot.
    pub fn regular(&self) -> impl Iterator<Item = PeerKey> {
        self.regular.iter().copied()
    }

    /// Returns the optimistic neighbour.
    pub const fn optimistic(&self) -> Option<PeerKey> {
        self.optimistic
    }

    /// Chooses anew whom to serve, if the time for that has come.
    pub fn select(&mut self, now: Instant) -> Option<ChokeSelection> {
        if self.peers.values().any(|candidate| candidate.is_interested) {
            self.regular_timer.start(now + GATHERING_DELAY);
            self.optimistic_timer.start(now + GATHERING_DELAY);
        }
        let (gives_regular, gives_optimistic) =
            (self.regular_timer.has_elapsed(now), self.optimistic_timer.has_elapsed(now));
        if !gives_regular && !gives_optimistic {
            return None;
        }
        let before = self.served();
        if gives_regular {
            self.assign_regular();
        }
        if gives_optimistic {
            self.choose_optimistic();
        }
        let after = self.served();
        debug_assert!(self.regular.len() <= self.slots, "more are served than there are slots");
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
        self.forget_received();
    }

    /// Chooses one of those that wait. If nobody does, the present one stays as long as it is interested.
    fn choose_optimistic(&mut self) {
        let waiting: Vec<PeerKey> = self.waiting().collect();
        let lots = waiting.into_iter().map(|peer| (self.random.next_u64(), peer)).max();
        let stays = self.optimistic.filter(|peer| self.is_interested(*peer));
        self.optimistic = lots.map(|(_, peer)| peer).or(stays);
    }

    /// Returns those that are choked and interested.
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
    /// The shortest interval, so that a clock always goes on.
    const MIN_INTERVAL: Duration = Duration::from_millis(1);

    fn new(interval: Duration) -> Self {
        Self { interval: interval.max(Self::MIN_INTERVAL), due: None }
    }

    /// Sets the first stroke, if the clock has not begun.
    fn start(&mut self, first: Instant) {
        self.due.get_or_insert(first);
    }

    /// Returns true if a stroke is due, and sets the next one.
    fn has_elapsed(&mut self, now: Instant) -> bool {
        let Some(due) = self.due.filter(|due| now >= *due) else { return false };
        // Strokes that were missed are left out, and those that follow stay on the grid.
        let missed = now.saturating_duration_since(due).as_nanos() / self.interval.as_nanos();
        let missed = u32::try_from(missed).unwrap_or(u32::MAX - 1);
        self.due = Some(due + self.interval.saturating_mul(missed + 1));
        true
    }
}
