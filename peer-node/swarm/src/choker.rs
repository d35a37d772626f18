//! The choker: decides for a whole node which of the interested peers are served.
//!
//! It follows BitTorrent (BEP 3, "choking algorithms"), for a node that serves many contents. In each round, the regular
//! slots go to the peers that send us most, or, if none sends anything, to those that receive fastest. One additional
//! optimistic slot rotates to the peer that has waited longest, so that every peer can show how fast it is. All others are
//! choked and know their queue position.
//!
//! Slots are shared by address first: an address has more than its share only while no other address wants a slot. It
//! yields the excess at once when another one arrives, and regains it at the next round at the earliest. Peers of the same
//! address take turns in its slots. A peer without an address counts as an address of its own.
//!
//! Closed groups use [`IntervalChoker`](super::IntervalChoker), which chooses by the clock only.
//!
//! A pure state machine like [`Swarm`](super::Swarm): the driver passes in events with their time and polls verdicts
//! ([`Choker::poll`]) until there are none. It does not handle requests or data.

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

/// Interval between rounds, and minimum time that a peer keeps a slot (BEP 3).
const ROUND_INTERVAL: Duration = Duration::from_secs(10);

/// How long a peer keeps the optimistic slot while others wait.
const OPTIMISTIC_INTERVAL: Duration = Duration::from_secs(30);

const _: () = assert!(
    ROUND_INTERVAL.as_millis() <= OPTIMISTIC_INTERVAL.as_millis(),
    "a rotation gives a peer time for a round"
);

/// Configuration of a choker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChokerConfig {
    /// Number of regular slots; the optimistic slot is additional.
    pub slots: usize,
    /// Interval between rounds, which reassign the regular slots.
    pub round_interval: Duration,
    /// How long a peer keeps the optimistic slot while others wait.
    pub optimistic_interval: Duration,
    /// Maximum number of slots per address while other addresses want slots; `None` for no limit.
    pub slots_per_address: Option<NonZeroUsize>,
    /// Maximum number of queued peers per address; `None` for no limit.
    pub queue_per_address: Option<NonZeroUsize>,
}

impl ChokerConfig {
    /// Returns the configuration for a node that serves many contents, without limits per address.
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

/// A change to send to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChokerVerdict {
    /// The peer is served from now on.
    Unchoke {
        /// The peer.
        peer: PeerKey,
    },
    /// The peer is not served, or no longer served, and waits.
    Choke {
        /// The peer.
        peer: PeerKey,
        /// Its queue position, from 1; 0 if too many peers of its address wait.
        position: u32,
    },
    /// The peer is still waiting and its queue position has changed.
    Position {
        /// The peer.
        peer: PeerKey,
        /// Its new position, as in [`ChokerVerdict::Choke`].
        position: u32,
    },
}

impl ChokerVerdict {
    /// Returns the peer to send the verdict to.
    pub const fn peer(&self) -> PeerKey {
        match self {
            Self::Unchoke { peer } | Self::Choke { peer, .. } | Self::Position { peer, .. } => *peer,
        }
    }
}

/// The served and waiting peers and their traffic.
#[derive(Debug)]
pub struct Choker {
    config: ChokerConfig,
    peers: BTreeMap<PeerKey, ChokerPeer>,
    regular: BTreeSet<PeerKey>,
    optimistic: Option<PeerKey>,
    queue: ChokeQueue,
    verdicts: VecDeque<ChokerVerdict>,
    round_due: Instant,
    /// Whether several addresses wanted slots at the last round or since.
    is_shared: bool,
    /// Whether an event may change the assignment of slots.
    needs_decision: bool,
}

impl Choker {
    /// Creates a choker without peers.
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

    /// Returns the number of regular slots.
    pub const fn slots(&self) -> usize {
        self.config.slots
    }

    /// Sets the number of regular slots. If it shrinks, the weakest peers lose their slots at once.
    pub const fn set_slots(&mut self, slots: usize, _now: Instant) {
        self.config.slots = slots;
        self.needs_decision = true;
    }

    /// Sets the address of a new peer. Without one, the peer counts as an address of its own.
    pub fn set_address(&mut self, peer: PeerKey, address: AddressKey) {
        let contender = self.peers.entry(peer).or_default();
        debug_assert_eq!(contender.status, PeerStatus::Idle, "a peer changes its address");
        contender.address = Some(address);
    }

    /// Records that a peer is interested.
    pub fn interested(&mut self, peer: PeerKey, _now: Instant) {
        let contender = self.peers.entry(peer).or_default();
        if contender.status == PeerStatus::Idle {
            // Peers wait even if a slot is free: the next decision serves them in queue order.
            let ticket = self.queue.join(contender.sharer(peer), peer);
            contender.status = PeerStatus::Waiting { ticket };
            self.needs_decision = true;
        }
    }

    /// Records that a peer is not interested any more. It loses its slot without a verdict: if it was served, the driver must
    /// choke it, or the peer would consider itself served when its interest returns.
    pub fn not_interested(&mut self, peer: PeerKey, _now: Instant) {
        let Some(contender) = self.peers.get_mut(&peer) else { return };
        let sharer = contender.sharer(peer);
        // If its interest returns, it must be sent its status again.
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
        // Verdicts that were not polled yet refer to its former status.
        self.verdicts.retain(|verdict| verdict.peer() != peer);
        self.needs_decision = true;
    }

    /// Removes a peer.
    pub fn remove(&mut self, peer: PeerKey, now: Instant) {
        self.not_interested(peer, now);
        self.peers.remove(&peer);
    }

    /// Counts bytes sent to a peer. An unknown peer is added.
    pub fn sent(&mut self, peer: PeerKey, bytes: u64, _now: Instant) {
        self.peers.entry(peer).or_default().sent.add(bytes);
    }

    /// Counts bytes received from a peer. An unknown peer is added.
    pub fn received(&mut self, peer: PeerKey, bytes: u64, _now: Instant) {
        self.peers.entry(peer).or_default().received.add(bytes);
    }

    /// Returns the number of queued peers.
    pub fn waiting_count(&self) -> usize {
        self.queue.len()
    }

    /// Returns the next verdict, or `None` until an event occurs or [`Choker::deadline`] passes.
    pub fn poll(&mut self, now: Instant) -> Option<ChokerVerdict> {
        // Deciding sorts all peers, so it happens only after a change or at a deadline.
        let is_due = self.needs_decision || self.deadline().is_some_and(|deadline| now >= deadline);
        if self.verdicts.is_empty() && is_due {
            self.decide(now);
        }
        self.verdicts.pop_front()
    }

    /// Returns when to poll again if no event occurs before; `None` while no peer is interested.
    pub fn deadline(&self) -> Option<Instant> {
        // Without interested peers nothing can change, and the driver need not wake up.
        let is_idle = self.regular.is_empty() && self.optimistic.is_none() && self.queue.is_empty();
        let rotation = self.rotation_due();
        let round = (!is_idle).then_some(self.round_due);
        [round, rotation, self.rotation_within_addresses_due(), self.queue.report_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns when the optimistic slot rotates; `None` while no eligible peer waits.
    fn rotation_due(&self) -> Option<Instant> {
        let peer = self.optimistic?;
        let holder = self.peers.get(&peer)?;
        // Rotation needs somebody to rotate to, or the slot would go back and forth.
        self.queue.next_peer_after(holder.sharer(peer), self.max_slots())?;
        holder.served_since().map(|since| since + self.config.optimistic_interval)
    }

    /// Returns the current maximum number of slots per address.
    fn max_slots(&self) -> usize {
        if self.is_shared { limit_or_max(self.config.slots_per_address) } else { usize::MAX }
    }

    fn sharer(&self, peer: PeerKey) -> SlotSharer {
        self.peers.get(&peer).map_or(SlotSharer::Peer(peer), |contender| contender.sharer(peer))
    }
}

/// Returns the limit, or `usize::MAX` if there is none.
const fn limit_or_max(limit: Option<NonZeroUsize>) -> usize {
    match limit {
        Some(limit) => limit.get(),
        None => usize::MAX,
    }
}
