//! Who waits, in which order, and when the waiting are told that they moved up.
//!
//! Turns are shared by address first: a peer of an address that has a slot, or that has other peers ahead, waits behind the
//! first peers of all other addresses. Addresses take turns in the order in which they came or last gave a slot back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{AddressKey, PeerKey};

/// How often at most the places are told: one peer that leaves a long queue moves all behind it.
const REPORT: Duration = Duration::from_secs(5);

/// Whoever has one share of the slots: all peers of an address, or one peer that is exempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sharer {
    Address(AddressKey),
    Peer(PeerKey),
}

/// The peers of one sharer that want something.
#[derive(Debug, Default)]
struct Share {
    /// When it came or last gave a slot back: less is earlier.
    turn: u64,
    /// How many of its peers have a slot.
    served: usize,
    /// Those that wait, by ticket.
    waiting: BTreeMap<u64, PeerKey>,
}

/// The waiting peers, and the sharers of all peers that want something.
#[derive(Debug)]
pub(super) struct Queue {
    shares: BTreeMap<Sharer, Share>,
    /// How many peers of one sharer have a place.
    places_each: usize,
    next_ticket: u64,
    /// Whether a place may have changed since the places were told.
    moved: bool,
    report_due: Instant,
}

impl Queue {
    pub(super) const fn new(places_each: usize, now: Instant) -> Self {
        Self { shares: BTreeMap::new(), places_each, next_ticket: 0, moved: false, report_due: now }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shares.values().all(|share| share.waiting.is_empty())
    }

    /// Counts the peers that have a place.
    pub(super) fn len(&self) -> usize {
        self.shares.values().map(|share| share.waiting.len().min(self.places_each)).sum()
    }

    /// Counts the sharers with a peer that waits or is served.
    pub(super) fn sharers(&self) -> usize {
        self.shares.len()
    }

    /// Returns how many slots the peers of a sharer have.
    pub(super) fn served(&self, sharer: Sharer) -> usize {
        self.shares.get(&sharer).map_or(0, |share| share.served)
    }

    /// Returns true if peers of a sharer wait.
    pub(super) fn has_waiting(&self, sharer: Sharer) -> bool {
        self.shares.get(&sharer).is_some_and(|share| !share.waiting.is_empty())
    }

    /// Takes a peer in behind the others of its sharer and returns its ticket.
    pub(super) fn join(&mut self, sharer: Sharer, peer: PeerKey) -> u64 {
        // Whoever comes first of its sharer passes all that are second of theirs.
        let passes = |share: &Share| share.served + share.waiting.len() > 1;
        self.moved |= self.shares.values().any(passes);
        let ticket = self.draw_ticket();
        let share = self.shares.entry(sharer).or_insert_with(|| Share { turn: ticket, ..Share::default() });
        share.waiting.insert(ticket, peer);
        ticket
    }

    /// Removes a peer that wants nothing any more.
    pub(super) fn leave(&mut self, sharer: Sharer, ticket: u64) {
        self.change(sharer, |share, _| {
            share.waiting.remove(&ticket);
        });
    }

    /// Removes a peer that gets a slot.
    pub(super) fn serve(&mut self, sharer: Sharer, ticket: u64) {
        self.change(sharer, |share, turn| {
            share.waiting.remove(&ticket);
            share.served += 1;
            share.turn = turn;
        });
    }

    /// Notes that a peer gives a slot back.
    pub(super) fn release(&mut self, sharer: Sharer) {
        self.change(sharer, |share, turn| {
            debug_assert!(share.served > 0, "a slot that nobody has");
            share.served = share.served.saturating_sub(1);
            share.turn = turn;
        });
    }

    fn change(&mut self, sharer: Sharer, change: impl FnOnce(&mut Share, u64)) {
        let turn = self.draw_ticket();
        let Some(share) = self.shares.get_mut(&sharer) else { return };
        change(share, turn);
        if share.served == 0 && share.waiting.is_empty() {
            self.shares.remove(&sharer);
        }
        self.moved = true;
    }

    const fn draw_ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }

    /// Returns who is next among the sharers with fewer than `most` slots.
    pub(super) fn head(&self, most: usize) -> Option<PeerKey> {
        let candidates = self.shares.values().filter(|share| share.served < most);
        let (_, _, head) = candidates.filter_map(|share| share.candidate(share.served, share.turn)).min()?;
        Some(head)
    }

    /// Returns who is next if this sharer gives a slot back, as [`Queue::head`] does.
    pub(super) fn head_after(&self, released: Sharer, most: usize) -> Option<PeerKey> {
        let candidates = self.shares.iter().map(|(sharer, share)| {
            // Whoever gives a slot back goes behind all others.
            if *sharer == released {
                (share, share.served.saturating_sub(1), u64::MAX)
            } else {
                (share, share.served, share.turn)
            }
        });
        let candidates = candidates.filter(|(_, served, _)| *served < most);
        let (_, _, head) =
            candidates.filter_map(|(share, served, turn)| share.candidate(served, turn)).min()?;
        Some(head)
    }

    /// Returns who is next of one sharer.
    pub(super) fn head_of(&self, sharer: Sharer) -> Option<PeerKey> {
        self.shares.get(&sharer)?.waiting.values().next().copied()
    }

    /// Returns the peers with their places, the first one first; those that have none, with 0, at the end.
    pub(super) fn places(&self) -> Vec<(PeerKey, u32)> {
        let (mut ranked, mut others) = (Vec::new(), Vec::new());
        for share in self.shares.values() {
            let mut waiting = share.waiting.values();
            let placed = waiting.by_ref().take(self.places_each).zip(share.served..);
            ranked.extend(placed.map(|(peer, level)| (level, share.turn, *peer)));
            others.extend(waiting.map(|peer| (*peer, 0)));
        }
        ranked.sort_unstable();
        let ranked = ranked.into_iter().zip(1..=u32::MAX).map(|((.., peer), place)| (peer, place));
        ranked.chain(others).collect()
    }

    /// Returns when the places are to be told, if they may have changed.
    pub(super) fn report_due(&self) -> Option<Instant> {
        (self.moved && !self.is_empty()).then_some(self.report_due)
    }

    /// Notes that all know their places, and when some had to be told of them.
    pub(super) fn reported(&mut self, told: Option<Instant>) {
        self.moved = false;
        self.report_due = told.map_or(self.report_due, |told| told + REPORT);
    }
}

impl Share {
    /// Returns its first waiting peer, to be compared with those of others.
    fn candidate(&self, served: usize, turn: u64) -> Option<(usize, u64, PeerKey)> {
        self.waiting.values().next().map(|peer| (served, turn, *peer))
    }
}
