//! The queue of waiting peers, and when they are sent their new positions.
//!
//! Turns are shared by address first: a peer whose address has a slot or other peers ahead waits behind the first peers of all
//! other addresses. Addresses take turns in the order in which they arrived or last released a slot.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{AddressKey, PeerKey};

/// Minimum interval between position reports, since one peer leaving a long queue moves all behind it.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// The holder of one share of the slots: all peers of an address, or a single peer that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SlotSharer {
    Address(AddressKey),
    Peer(PeerKey),
}

/// The interested peers of one sharer.
#[derive(Debug, Default)]
struct SharerQueue {
    /// When the sharer arrived or last released a slot; lower is earlier.
    order: u64,
    /// Number of its served peers.
    served: usize,
    /// Its waiting peers, by ticket.
    waiting: BTreeMap<u64, PeerKey>,
}

/// The waiting peers, and the sharers of all interested peers.
#[derive(Debug)]
pub(super) struct ChokeQueue {
    sharers: BTreeMap<SlotSharer, SharerQueue>,
    /// Maximum number of queued peers per sharer that have a position.
    positions_per_sharer: usize,
    next_ticket: u64,
    /// Whether a position may have changed since the last report.
    is_dirty: bool,
    report_due: Instant,
}

impl ChokeQueue {
    pub(super) const fn new(places_each: usize, now: Instant) -> Self {
        Self {
            sharers: BTreeMap::new(),
            positions_per_sharer: places_each,
            next_ticket: 0,
            is_dirty: false,
            report_due: now,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sharers.values().all(|share| share.waiting.is_empty())
    }

    /// Returns the number of peers with a position.
    pub(super) fn len(&self) -> usize {
        self.sharers.values().map(|share| share.waiting.len().min(self.positions_per_sharer)).sum()
    }

    /// Returns the number of sharers with a waiting or served peer.
    pub(super) fn sharer_count(&self) -> usize {
        self.sharers.len()
    }

    /// Returns the number of slots held by the peers of a sharer.
    pub(super) fn served_count(&self, sharer: SlotSharer) -> usize {
        self.sharers.get(&sharer).map_or(0, |share| share.served)
    }

    /// Returns true if peers of a sharer wait.
    pub(super) fn has_waiting(&self, sharer: SlotSharer) -> bool {
        self.sharers.get(&sharer).is_some_and(|share| !share.waiting.is_empty())
    }

    /// Adds a peer behind the others of its sharer and returns its ticket.
    pub(super) fn join(&mut self, sharer: SlotSharer, peer: PeerKey) -> u64 {
        // The first peer of a sharer moves ahead of the second and later peers of all others.
        let passes = |share: &SharerQueue| share.served + share.waiting.len() > 1;
        self.is_dirty |= self.sharers.values().any(passes);
        let ticket = self.draw_ticket();
        let share = self
            .sharers
            .entry(sharer)
            .or_insert_with(|| SharerQueue { order: ticket, ..SharerQueue::default() });
        share.waiting.insert(ticket, peer);
        ticket
    }

    /// Removes a waiting peer that is no longer interested.
    pub(super) fn leave(&mut self, sharer: SlotSharer, ticket: u64) {
        self.change(sharer, |share, _| {
            share.waiting.remove(&ticket);
        });
    }

    /// Removes a waiting peer that gets a slot.
    pub(super) fn serve(&mut self, sharer: SlotSharer, ticket: u64) {
        self.change(sharer, |share, turn| {
            share.waiting.remove(&ticket);
            share.served += 1;
            share.order = turn;
        });
    }

    /// Records that a peer releases its slot.
    pub(super) fn release(&mut self, sharer: SlotSharer) {
        self.change(sharer, |share, turn| {
            debug_assert!(share.served > 0, "released a slot that no peer holds");
            share.served = share.served.saturating_sub(1);
            share.order = turn;
        });
    }

    fn change(&mut self, sharer: SlotSharer, change: impl FnOnce(&mut SharerQueue, u64)) {
        // Drawn before the change, so that the sharer goes behind all others that act at the same time.
        let turn = self.draw_ticket();
        let Some(share) = self.sharers.get_mut(&sharer) else { return };
        change(share, turn);
        // A sharer without peers would count as a contender for slots.
        if share.served == 0 && share.waiting.is_empty() {
            self.sharers.remove(&sharer);
        }
        self.is_dirty = true;
    }

    const fn draw_ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }

    /// Returns the next peer among the sharers with fewer than `max` slots.
    pub(super) fn next_peer(&self, max: usize) -> Option<PeerKey> {
        // Those with fewest slots come first, then those that have waited longest for a turn.
        let candidates = self.sharers.values().filter(|share| share.served < max);
        let (_, _, head) = candidates.filter_map(|share| share.candidate(share.served, share.order)).min()?;
        Some(head)
    }

    /// Returns the next peer if the sharer `released` gives up a slot, as [`ChokeQueue::next_peer`] does.
    pub(super) fn next_peer_after(&self, released: SlotSharer, max: usize) -> Option<PeerKey> {
        let candidates = self.sharers.iter().map(|(sharer, share)| {
            // A sharer that releases a slot goes behind all others.
            if *sharer == released {
                (share, share.served.saturating_sub(1), u64::MAX)
            } else {
                (share, share.served, share.order)
            }
        });
        let candidates = candidates.filter(|(_, served, _)| *served < max);
        let (_, _, head) =
            candidates.filter_map(|(share, served, turn)| share.candidate(served, turn)).min()?;
        Some(head)
    }

    /// Returns the next waiting peer of a sharer.
    pub(super) fn next_peer_of(&self, sharer: SlotSharer) -> Option<PeerKey> {
        self.sharers.get(&sharer)?.waiting.values().next().copied()
    }

    /// Returns the peers with their positions in queue order, followed by those without one, with 0.
    pub(super) fn positions(&self) -> Vec<(PeerKey, u32)> {
        let (mut ranked, mut others) = (Vec::new(), Vec::new());
        for share in self.sharers.values() {
            let mut waiting = share.waiting.values();
            // The n-th peer of an address waits behind the (n-1)-th peers of all others, served ones included.
            let placed = waiting.by_ref().take(self.positions_per_sharer).zip(share.served..);
            ranked.extend(placed.map(|(peer, level)| (level, share.order, *peer)));
            others.extend(waiting.map(|peer| (*peer, 0)));
        }
        // The level decides, then the turn of the sharer.
        ranked.sort_unstable();
        let ranked = ranked.into_iter().zip(1..=u32::MAX).map(|((.., peer), place)| (peer, place));
        ranked.chain(others).collect()
    }

    /// Returns when to report positions, if they may have changed.
    pub(super) fn report_due(&self) -> Option<Instant> {
        (self.is_dirty && !self.is_empty()).then_some(self.report_due)
    }

    /// Records that all peers know their positions; `now` is set if any had to be sent.
    pub(super) fn reported(&mut self, now: Option<Instant>) {
        self.is_dirty = false;
        self.report_due = now.map_or(self.report_due, |now| now + REPORT_INTERVAL);
    }
}

impl SharerQueue {
    /// Returns the first waiting peer with its sort key.
    fn candidate(&self, served: usize, turn: u64) -> Option<(usize, u64, PeerKey)> {
        self.waiting.values().next().map(|peer| (served, turn, *peer))
    }
}
