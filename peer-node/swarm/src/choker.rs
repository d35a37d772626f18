//! The choker: decides for a whole node which of the peers that want something from it are served.
//!
//! The rules are those of BitTorrent (BEP 3, "choking algorithms"), for a node that serves many contents. Each round the
//! regular slots go to the peers that give most, or, if none gives anything, to those that take fastest. One optimistic
//! slot on top goes in turn to whoever has waited longest, so that everybody gets a chance to show how fast it is. All
//! others are choked and know their place in the queue.
//!
//! Slots are shared by address first: an address has more than its number of slots only while no other address wants any. It
//! gives the others back at once when another one comes, and gets them again at the earliest with the next round. Peers
//! beyond that take turns with those of their own address. Peers without an address share with nobody.
//!
//! A closed group chooses by the clock alone: [`IntervalChoker`](super::IntervalChoker).
//!
//! It is a pure machine like the [`TrackedSwarm`](super::Swarm): whoever drives it tells it what happens and when, and asks it
//! for verdicts ([`Choker::poll`]) until it has no more. It leaves alone what was asked for and what is sent.

mod peer;
mod queue;
mod round;
mod sharing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use peer::{ChokerPeer, PeerStatus, SentVerdict};
use queue::{ChokeQueue, SlotSharer};

/// How often the regular slots are given anew, and how long a slot is kept at least (BEP 3).
const ROUND_INTERVAL: Duration = Duration::from_secs(10);

/// How long the optimistic slot is kept while somebody waits.
const OPTIMISTIC_INTERVAL: Duration = Duration::from_secs(30);

/// How slots are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChokerConfig {
    /// How many regular slots there are; the optimistic one comes on top.
    pub slots: usize,
    /// How often the regular slots are given anew.
    pub round_interval: Duration,
    /// How long the optimistic slot is kept while somebody waits.
    pub optimistic_interval: Duration,
    /// How many slots one address has at most while another one wants any; none for no limit.
    pub slots_per_address: Option<NonZeroUsize>,
    /// How many peers of one address have a place in the queue; none for no limit.
    pub queue_per_address: Option<NonZeroUsize>,
}

impl ChokerConfig {
    /// Returns what suits a node that serves many contents, without limits by address.
    pub const fn for_node(slots: usize) -> Self {
        Self {
            slots,
            round_interval: ROUND_INTERVAL,
            optimistic_interval: OPTIMISTIC_INTERVAL,
            slots_per_address: None,
            queue_per_address: None,
        }
    }
}

/// A peer, numbered by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u64);

/// An address, numbered by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(pub u128);

/// What a peer is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChokerVerdict {
    /// It is served from now on.
    Unchoke {
        /// Who.
        peer: PeerKey,
    },
    /// It is not served, or no longer, and waits.
    Choke {
        /// Who.
        peer: PeerKey,
        /// Its place in the queue; 1 is next, 0 is none because too many of its address wait.
        position: u32,
    },
    /// It is still not served, and its place in the queue has changed.
    Position {
        /// Who.
        peer: PeerKey,
        /// Its new place, as in [`ChokerVerdict::Choke`].
        position: u32,
    },
}

impl ChokerVerdict {
    /// Returns who is to be told.
    pub const fn peer(&self) -> PeerKey {
        match self {
            Self::Unchoke { peer } | Self::Choke { peer, .. } | Self::Position { peer, .. } => *peer,
        }
    }
}

/// Who is served, who waits, and what is known of them.
#[derive(Debug)]
pub struct Choker {
    config: ChokerConfig,
    peers: BTreeMap<PeerKey, ChokerPeer>,
    regular: BTreeSet<PeerKey>,
    optimistic: Option<PeerKey>,
    queue: ChokeQueue,
    verdicts: VecDeque<ChokerVerdict>,
    round_due: Instant,
    /// Whether several addresses wanted something at the last round, or since.
    is_shared: bool,
    /// Whether something happened that may let somebody have a slot or lose one.
    needs_decision: bool,
}

impl Choker {
    /// Starts serving nobody.
    pub const fn new(config: ChokerConfig, now: Instant) -> Self {
        let places_each = limit_or_max(config.queue_per_address);
        Self {
            config,
            peers: BTreeMap::new(),
            regular: BTreeSet::new(),
            optimistic: None,
            queue: ChokeQueue::new(places_each, now),
            verdicts: VecDeque::new(),
            round_due: now,
            is_shared: false,
            needs_decision: false,
        }
    }

    /// Changes the number of regular slots. If it is less than before, the weakest lose theirs at once.
    pub const fn set_slots(&mut self, slots: usize, _now: Instant) {
        self.config.slots = slots;
        self.needs_decision = true;
    }

    /// Notes from which address a new peer comes. Without one it shares with nobody.
    pub fn set_address(&mut self, peer: PeerKey, address: AddressKey) {
        let contender = self.peers.entry(peer).or_default();
        debug_assert_eq!(contender.status, PeerStatus::Idle, "a peer changes its address");
        contender.address = Some(address);
    }

    /// Notes that a peer wants something from us.
    pub fn interested(&mut self, peer: PeerKey, _now: Instant) {
        let contender = self.peers.entry(peer).or_default();
        if contender.status == PeerStatus::Idle {
            let ticket = self.queue.join(contender.sharer(peer), peer);
            contender.status = PeerStatus::Waiting { ticket };
            self.needs_decision = true;
        }
    }

    /// Notes that a peer wants nothing from us any more. It loses its slot without a verdict: if it was served, whoever
    /// drives this has to tell it, or it would take itself for served when it wants something again.
    pub fn not_interested(&mut self, peer: PeerKey, _now: Instant) {
        let Some(contender) = self.peers.get_mut(&peer) else { return };
        let sharer = contender.sharer(peer);
        contender.last_sent = SentVerdict::Nothing;
        match std::mem::take(&mut contender.status) {
            PeerStatus::Idle => return,
            PeerStatus::Waiting { ticket } => self.queue.leave(sharer, ticket),
            PeerStatus::Served { .. } => {
                self.optimistic.take_if(|optimistic| *optimistic == peer);
                self.regular.remove(&peer);
                self.queue.release(sharer);
            }
        }
        self.verdicts.retain(|verdict| verdict.peer() != peer);
        self.needs_decision = true;
    }

    /// Forgets a peer.
    pub fn remove(&mut self, peer: PeerKey, now: Instant) {
        self.not_interested(peer, now);
        self.peers.remove(&peer);
    }

    /// Counts bytes that were sent to a peer. What is told of a peer that is gone begins it anew.
    pub fn sent(&mut self, peer: PeerKey, bytes: u64, _now: Instant) {
        self.peers.entry(peer).or_default().sent.add(bytes);
    }

    /// Counts bytes that came from a peer. What is told of a peer that is gone begins it anew.
    pub fn received(&mut self, peer: PeerKey, bytes: u64, _now: Instant) {
        self.peers.entry(peer).or_default().received.add(bytes);
    }

    /// Counts the peers that have a place in the queue.
    pub fn waiting_count(&self) -> usize {
        self.queue.len()
    }

    /// Returns the next thing to tell a peer, or nothing until something happens or [`Choker::deadline`] passes.
    pub fn poll(&mut self, now: Instant) -> Option<ChokerVerdict> {
        let is_due = self.needs_decision || self.deadline().is_some_and(|deadline| now >= deadline);
        if self.verdicts.is_empty() && is_due {
            self.decide(now);
        }
        self.verdicts.pop_front()
    }

    /// Returns when to poll again if nothing happens before. While nobody wants anything, there is nothing to wait for.
    pub fn deadline(&self) -> Option<Instant> {
        let is_idle = self.regular.is_empty() && self.optimistic.is_none() && self.queue.is_empty();
        let rotation = self.rotation_due();
        let round = (!is_idle).then_some(self.round_due);
        [round, rotation, self.rotation_within_addresses_due(), self.queue.report_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns when the optimistic slot passes on: never while nobody waits who may have it.
    fn rotation_due(&self) -> Option<Instant> {
        let peer = self.optimistic?;
        let holder = self.peers.get(&peer)?;
        self.queue.next_peer_after(holder.sharer(peer), self.max_slots())?;
        holder.served_since().map(|since| since + self.config.optimistic_interval)
    }

    /// Returns how many slots an address may have now.
    fn max_slots(&self) -> usize {
        if self.is_shared { limit_or_max(self.config.slots_per_address) } else { usize::MAX }
    }

    fn sharer(&self, peer: PeerKey) -> SlotSharer {
        self.peers.get(&peer).map_or(SlotSharer::Peer(peer), |contender| contender.sharer(peer))
    }
}

/// Returns a limit as a number that nothing exceeds where there is none.
const fn limit_or_max(limit: Option<NonZeroUsize>) -> usize {
    match limit {
        Some(limit) => limit.get(),
        None => usize::MAX,
    }
}
