//! Who waits, first come first served, and when the waiting are told that they moved up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::PeerKey;

/// How often at most the places are told: one peer that leaves a long queue moves all behind it.
const REPORT: Duration = Duration::from_secs(5);

/// The waiting peers by ticket.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, PeerKey>,
    next_ticket: u64,
    /// Whether somebody has left before others since the places were told.
    moved: bool,
    report_due: Instant,
}

impl Queue {
    pub(super) const fn new(now: Instant) -> Self {
        Self { waiting: BTreeMap::new(), next_ticket: 0, moved: false, report_due: now }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a peer in at the end and returns its ticket.
    pub(super) fn join(&mut self, peer: PeerKey) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.insert(ticket, peer);
        ticket
    }

    pub(super) fn leave(&mut self, ticket: u64) {
        let is_last = self.waiting.range(ticket..).nth(1).is_none();
        self.moved |= self.waiting.remove(&ticket).is_some() && !is_last;
    }

    pub(super) fn head(&self) -> Option<PeerKey> {
        self.waiting.first_key_value().map(|(_, peer)| *peer)
    }

    /// Returns the peers with their places, the first one first.
    pub(super) fn places(&self) -> impl DoubleEndedIterator<Item = (PeerKey, u32)> {
        let count = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.waiting.values().zip(0..count).map(|(peer, before)| (*peer, before + 1))
    }

    /// Returns when the places are to be told, if they have changed.
    pub(super) fn report_due(&self) -> Option<Instant> {
        (self.moved && !self.is_empty()).then_some(self.report_due)
    }

    /// Notes that all know their places, and when some had to be told of them.
    pub(super) fn reported(&mut self, told: Option<Instant>) {
        self.moved = false;
        self.report_due = told.map_or(self.report_due, |told| told + REPORT);
    }
}
