//! What the choker knows of one peer.

use std::time::Instant;

use super::queue::SlotSharer;
use super::{AddressKey, PeerKey};

/// Where a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PeerStatus {
    /// It wants nothing from us.
    #[default]
    Idle,
    /// It is in the queue.
    Waiting {
        /// Its key there.
        ticket: u64,
    },
    /// It has a slot.
    Served {
        /// Since when.
        since: Instant,
    },
}

/// What a peer was told last since it became interested. A decision may take a slot and give another one at once, of
/// which the peer need not hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SentVerdict {
    #[default]
    Nothing,
    Served,
    Position(u32),
}

/// Bytes of the present round and of the one before: together the rate over about two rounds, which is the same two
/// rounds for every peer, so that bytes can be compared instead of rates.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoundTraffic {
    this_round: u64,
    last_round: u64,
}

impl RoundTraffic {
    pub(super) const fn add(&mut self, bytes: u64) {
        self.this_round = self.this_round.saturating_add(bytes);
    }

    const fn bytes(self) -> u64 {
        self.this_round.saturating_add(self.last_round)
    }

    const fn end_round(&mut self) {
        self.last_round = self.this_round;
        self.this_round = 0;
    }
}

/// How much a peer has earned a slot: by what it gave, and where that is equal, by what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Merit {
    received: u64,
    sent: u64,
}

impl Merit {
    /// Says whether it is better by more than a fifth: less is chance, and slots shall not flap.
    pub(super) const fn clearly_beats(self, other: Self) -> bool {
        if self.received == other.received {
            is_more_by_a_fifth(self.sent, other.sent)
        } else {
            is_more_by_a_fifth(self.received, other.received)
        }
    }
}

const fn is_more_by_a_fifth(more: u64, less: u64) -> bool {
    more > less && more - less > less / 5
}

/// A peer, with all that counts for who is served.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChokerPeer {
    pub(super) address: Option<AddressKey>,
    pub(super) status: PeerStatus,
    pub(super) last_sent: SentVerdict,
    pub(super) received: RoundTraffic,
    pub(super) sent: RoundTraffic,
}

impl ChokerPeer {
    /// Returns with whom it shares.
    pub(super) fn sharer(&self, peer: PeerKey) -> SlotSharer {
        self.address.map_or(SlotSharer::Peer(peer), SlotSharer::Address)
    }

    pub(super) const fn merit(&self) -> Merit {
        Merit { received: self.received.bytes(), sent: self.sent.bytes() }
    }

    pub(super) const fn end_round(&mut self) {
        self.received.end_round();
        self.sent.end_round();
    }

    pub(super) const fn served_since(&self) -> Option<Instant> {
        match self.status {
            PeerStatus::Served { since } => Some(since),
            _ => None,
        }
    }

    /// Returns its key in the queue.
    pub(super) const fn ticket(&self) -> Option<u64> {
        match self.status {
            PeerStatus::Waiting { ticket } => Some(ticket),
            _ => None,
        }
    }
}
