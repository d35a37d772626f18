//! Shares slots by address: none has more than its share while others want slots, and its own peers take turns.

use std::cmp::Reverse;
use std::time::Instant;

use super::peer::ChokerPeer;
use super::{Choker, PeerKey};

impl Choker {
    /// Chokes the weakest peers of every address with more slots than its current maximum.
    pub(super) fn take_surplus(&mut self) {
        let max_slots = self.max_slots();
        // Nobody else wants a slot, or there is no limit.
        if max_slots == usize::MAX {
            return;
        }
        let mut served: Vec<_> = self.served().map(|peer| (Reverse(self.merit(peer)), peer)).collect();
        // Sorted from strongest to weakest.
        served.sort_unstable();
        for (_, peer) in served.into_iter().rev() {
            if self.queue.served_count(self.sharer(peer)) > max_slots {
                self.optimistic.take_if(|optimistic| *optimistic == peer);
                self.regular.remove(&peer);
                self.enqueue(peer);
            }
        }
    }

    /// Rotates the slots of addresses at their maximum among the peers of the same address.
    pub(super) fn rotate_within_addresses(&mut self, now: Instant, served: &mut Vec<PeerKey>) {
        let overdue: Vec<_> = self.overdue_holders().filter(|(_, due)| now >= *due).collect();
        for (holder, _) in overdue {
            // Another holder of the same address may have taken the last waiting peer.
            let Some(next) = self.queue.next_peer_of(self.sharer(holder)) else { continue };
            self.serve(next, now, served);
            if self.optimistic == Some(holder) {
                self.optimistic = Some(next);
            } else {
                self.regular.remove(&holder);
                self.regular.insert(next);
            }
            self.enqueue(holder);
        }
    }

    /// Returns when the next such rotation is due.
    pub(super) fn rotation_within_addresses_due(&self) -> Option<Instant> {
        self.overdue_holders().map(|(_, due)| due).min()
    }

    /// Returns true if the address of a peer holds its current maximum of slots.
    pub(super) fn has_share(&self, peer: PeerKey) -> bool {
        self.queue.served_count(self.sharer(peer)) >= self.max_slots()
    }

    /// Returns the served peers that keep others of their address waiting, and until when they may.
    fn overdue_holders(&self) -> impl Iterator<Item = (PeerKey, Instant)> {
        let holders =
            self.served().filter(|peer| self.has_share(*peer) && self.queue.has_waiting(self.sharer(*peer)));
        holders.filter_map(|peer| {
            let since = self.peers.get(&peer).and_then(ChokerPeer::served_since)?;
            Some((peer, since + self.config.optimistic_interval))
        })
    }

    fn served(&self) -> impl Iterator<Item = PeerKey> {
        self.regular.iter().copied().chain(self.optimistic)
    }
}
