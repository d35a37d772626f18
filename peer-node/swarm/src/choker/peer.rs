//! The choker's state of one peer.

use std::time::Instant;

use super::queue::SlotSharer;
use super::{AddressKey, PeerKey};

/// Status of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PeerStatus {
    /// Not interested.
    #[default]
    Idle,
    /// Waiting in the queue.
    Waiting {
        /// Its key in the queue.
        ticket: u64,
    },
    /// Served.
    Served {
        /// Since when it has the slot.
        since: Instant,
    },
}

/// The verdict last sent to a peer since it became interested. A decision may move a peer between slots without a new
/// verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SentVerdict {
    #[default]
    Nothing,
    Served,
    Position(u32),
}

/// Bytes of the current and the previous round. Rounds are the same for all peers, so bytes can be compared instead of
/// rates.
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

/// How much a peer deserves a slot: by bytes received from it, then by bytes sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Merit {
    received: u64,
    sent: u64,
}

impl Merit {
    /// Returns true if it is better by more than a fifth. Smaller differences are noise and would make slots flap.
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

/// A peer with everything that counts for choking.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChokerPeer {
    pub(super) address: Option<AddressKey>,
    pub(super) status: PeerStatus,
    pub(super) last_sent: SentVerdict,
    pub(super) received: RoundTraffic,
    pub(super) sent: RoundTraffic,
}

impl ChokerPeer {
    /// Returns the sharer that it belongs to.
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
