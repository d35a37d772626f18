//! Who waits, in which order, and when the waiting are told that they moved up.
//!
//! Turns are shared by address first: a peer of an address that has a slot, or that has other peers ahead, waits behind the
//! first peers of all other addresses. Addresses take turns in the order in which they came or last gave a slot back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{AddressKey, PeerKey};

/// How often at most the places are told: one peer that leaves a long queue moves all behind it.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Whoever has one share of the slots: all peers of an address, or one peer that is exempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SlotSharer {
    Address(AddressKey),
    Peer(PeerKey),
}

/// The peers of one sharer that want something.
#[derive(Debug, Default)]
struct SharerQueue {
    /// When it came or last gave a slot back: less is earlier.
    order: u64,
    /// How many of its peers have a slot.
    served: usize,
    /// Those that wait, by ticket.
    waiting: BTreeMap<u64, PeerKey>,
}

/// The waiting peers, and the sharers of all peers that want something.
#[derive(Debug)]
pub(super) struct ChokeQueue {
    sharers: BTreeMap<SlotSharer, SharerQueue>,
    /// How many peers of one sharer have a place.
    places_per_sharer: usize,
    next_ticket: u64,
    /// Whether a place may have changed since the places were told.
    is_dirty: bool,
    report_due: Instant,
}

impl ChokeQueue {
    pub(super) const fn new(places_each: usize, now: Instant) -> Self {
        Self {
            sharers: BTreeMap::new(),
            places_per_sharer: places_each,
            next_ticket: 0,
            is_dirty: false,
            report_due: now,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sharers.values().all(|share| share.waiting.is_empty())
    }

    /// Counts the peers that have a place.
    pub(super) fn len(&self) -> usize {
        self.sharers.values().map(|share| share.waiting.len().min(self.places_per_sharer)).sum()
    }

    /// Counts the sharers with a peer that waits or is served.
    pub(super) fn sharer_count(&self) -> usize {
        self.sharers.len()
    }

    /// Returns how many slots the peers of a sharer have.
    pub(super) fn served_count(&self, sharer: SlotSharer) -> usize {
        self.sharers.get(&sharer).map_or(0, |share| share.served)
    }

    /// Returns true if peers of a sharer wait.
    pub(super) fn has_waiting(&self, sharer: SlotSharer) -> bool {
        self.sharers.get(&sharer).is_some_and(|share| !share.waiting.is_empty())
    }

    /// Takes a peer in behind the others of its sharer and returns its ticket.
    pub(super) fn join(&mut self, sharer: SlotSharer, peer: PeerKey) -> u64 {
        // Whoever comes first of its sharer passes all that are second of theirs.
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

    /// Removes a peer that wants nothing any more.
    pub(super) fn leave(&mut self, sharer: SlotSharer, ticket: u64) {
        self.change(sharer, |share, _| {
            share.waiting.remove(&ticket);
        });
    }

    /// Removes a peer that gets a slot.
    pub(super) fn serve(&mut self, sharer: SlotSharer, ticket: u64) {
        self.change(sharer, |share, turn| {
            share.waiting.remove(&ticket);
            share.served += 1;
            share.order = turn;
        });
    }

    /// Notes that a peer gives a slot back.
    pub(super) fn release(&mut self, sharer: SlotSharer) {
        self.change(sharer, |share, turn| {
            debug_assert!(share.served > 0, "a slot that nobody has");
            share.served = share.served.saturating_sub(1);
            share.order = turn;
        });
    }

    fn change(&mut self, sharer: SlotSharer, change: impl FnOnce(&mut SharerQueue, u64)) {
        let turn = self.draw_ticket();
        let Some(share) = self.sharers.get_mut(&sharer) else { return };
        change(share, turn);
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

    /// Returns who is next among the sharers with fewer than `most` slots.
    pub(super) fn next_peer(&self, most: usize) -> Option<PeerKey> {
        let candidates = self.sharers.values().filter(|share| share.served < most);
        let (_, _, head) = candidates.filter_map(|share| share.candidate(share.served, share.order)).min()?;
        Some(head)
    }

    /// Returns who is next if this sharer gives a slot back, as [`ChokeQueue::next_peer`] does.
    pub(super) fn next_peer_after(&self, released: SlotSharer, most: usize) -> Option<PeerKey> {
        let candidates = self.sharers.iter().map(|(sharer, share)| {
            // Whoever gives a slot back goes behind all others.
            if *sharer == released {
                (share, share.served.saturating_sub(1), u64::MAX)
            } else {
                (share, share.served, share.order)
            }
        });
        let candidates = candidates.filter(|(_, served, _)| *served < most);
        let (_, _, head) =
            candidates.filter_map(|(share, served, turn)| share.candidate(served, turn)).min()?;
        Some(head)
    }

    /// Returns who is next of one sharer.
    pub(super) fn next_peer_of(&self, sharer: SlotSharer) -> Option<PeerKey> {
        self.sharers.get(&sharer)?.waiting.values().next().copied()
    }

    /// Returns the peers with their places, the first one first; those that have none, with 0, at the end.
    pub(super) fn places(&self) -> Vec<(PeerKey, u32)> {
        let (mut ranked, mut others) = (Vec::new(), Vec::new());
        for share in self.sharers.values() {
            let mut waiting = share.waiting.values();
            let placed = waiting.by_ref().take(self.places_per_sharer).zip(share.served..);
            ranked.extend(placed.map(|(peer, level)| (level, share.order, *peer)));
            others.extend(waiting.map(|peer| (*peer, 0)));
        }
        ranked.sort_unstable();
        let ranked = ranked.into_iter().zip(1..=u32::MAX).map(|((.., peer), place)| (peer, place));
        ranked.chain(others).collect()
    }

    /// Returns when the places are to be told, if they may have changed.
    pub(super) fn report_due(&self) -> Option<Instant> {
        (self.is_dirty && !self.is_empty()).then_some(self.report_due)
    }

    /// Notes that all know their places, and when some had to be told of them.
    pub(super) fn reported(&mut self, told: Option<Instant>) {
        self.is_dirty = false;
        self.report_due = told.map_or(self.report_due, |told| told + REPORT_INTERVAL);
    }
}

impl SharerQueue {
    /// Returns its first waiting peer, to be compared with those of others.
    fn candidate(&self, served: usize, turn: u64) -> Option<(usize, u64, PeerKey)> {
        self.waiting.values().next().map(|peer| (served, turn, *peer))
    }
}
