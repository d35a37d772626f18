//! Assigns slots: rounds, rotation and free slots.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::peer::{ChokerPeer, Merit, PeerStatus, SentVerdict};
use super::{Choker, ChokerVerdict, PeerKey};

impl Choker {
    /// Updates the slots: removes excess ones, holds a round and rotates the optimistic slot when due, fills free slots, and
    /// queues verdicts for the changes.
    pub(super) fn decide(&mut self, now: Instant) {
        self.needs_decision = false;
        let mut served = Vec::new();
        let is_contested = self.queue.sharer_count() > 1;
        self.is_shared |= is_contested;
        // Slots are taken away before any are assigned, so that the limits hold at every moment.
        self.take_excess();
        self.take_surplus();
        if now >= self.round_due {
            self.challenge(now, &mut served);
            self.peers.values_mut().for_each(ChokerPeer::end_round);
            // An address regains more than its share only at a round, or slots would flap.
            self.is_shared = is_contested;
            self.round_due = now + self.config.round_interval;
        }
        if self.rotation_due().is_some_and(|due| now >= due) {
            // A peer that proved fast in the optimistic slot keeps a slot instead of rejoining the queue at the end.
            self.challenge(now, &mut served);
            if self.rotation_due().is_some_and(|due| now >= due) {
                self.rotate_optimistic(now, &mut served);
            }
        }
        // After the rounds, since these may already have made room within an address.
        self.rotate_within_addresses(now, &mut served);
        self.fill(now, &mut served);
        debug_assert!(
            self.regular.len() <= self.config.slots,
            "no more peers are served than there are slots"
        );
        debug_assert!(
            self.optimistic.is_none_or(|peer| !self.regular.contains(&peer)),
            "a peer holds one slot"
        );
        self.queue_verdicts(&served);
        self.report_places(now);
    }

    /// Chokes the weakest peers if there are fewer slots than before.
    fn take_excess(&mut self) {
        let excess = self.regular.len().saturating_sub(self.config.slots);
        if excess == 0 {
            return;
        }
        let mut weakest: BinaryHeap<_> =
            self.regular.iter().map(|peer| Reverse((self.merit(*peer), *peer))).collect();
        for Reverse((_, peer)) in std::iter::from_fn(|| weakest.pop()).take(excess) {
            self.regular.remove(&peer);
            self.enqueue(peer);
        }
    }

    /// Lets peers without a regular slot challenge those with one, the best against the weakest.
    fn challenge(&mut self, now: Instant, served: &mut Vec<PeerKey>) {
        // Without challengers the order of those served does not matter.
        if self.queue.is_empty() {
            return;
        }
        let mut weakest: BinaryHeap<_> = self
            .regular
            .iter()
            .filter(|peer| self.is_challengeable(**peer, now))
            .map(|peer| Reverse((self.merit(*peer), *peer)))
            .collect();
        // Among equals the optimistic peer comes first, then those that have waited longest.
        let placed = self.queue.positions().into_iter().filter(|(_, position)| *position > 0);
        let challengers = self.optimistic.map(|peer| (peer, 0)).into_iter().chain(placed);
        let mut best: BinaryHeap<_> =
            challengers.map(|(peer, position)| (self.merit(peer), Reverse(position), peer)).collect();
        while let Some((merit, _, challenger)) = best.pop() {
            // Its address would exceed its share; one that holds the optimistic slot only changes slots.
            if self.optimistic != Some(challenger) && self.has_share(challenger) {
                continue;
            }
            // Both heaps are sorted, so the first challenger that does not win ends the round.
            let Some(Reverse((held, holder))) = weakest.pop() else { break };
            if !merit.clearly_beats(held) {
                break;
            }
            self.regular.remove(&holder);
            // It is served already and moves to a regular slot; the optimistic one becomes free.
            if self.optimistic == Some(challenger) {
                self.optimistic = None;
            } else {
                self.serve(challenger, now, served);
            }
            self.regular.insert(challenger);
            self.enqueue(holder);
        }
    }

    /// Assigns the optimistic slot to the next peer. The previous holder joins the end of the queue.
    fn rotate_optimistic(&mut self, now: Instant, served: &mut Vec<PeerKey>) {
        let Some(holder) = self.optimistic else { return };
        let Some(head) = self.queue.next_peer_after(self.sharer(holder), self.max_slots()) else { return };
        self.serve(head, now, served);
        self.optimistic = Some(head);
        self.enqueue(holder);
    }

    /// Returns the next peer for a free slot, if there is one.
    fn next_to_fill(&self) -> Option<PeerKey> {
        let is_free = self.regular.len() < self.config.slots || self.optimistic.is_none();
        is_free.then(|| self.queue.next_peer(self.max_slots())).flatten()
    }

    /// Assigns free slots to eligible waiting peers in queue order.
    fn fill(&mut self, now: Instant, served: &mut Vec<PeerKey>) {
        while let Some(head) = self.next_to_fill() {
            if self.regular.len() < self.config.slots {
                self.regular.insert(head);
            } else {
                self.optimistic = Some(head);
            }
            self.serve(head, now, served);
        }
    }

    /// Queues chokes before unchokes, so that never more peers are served than there are slots.
    fn queue_verdicts(&mut self, served: &[PeerKey]) {
        // Peers that joined or were choked since the last decision do not know their position yet.
        let knows_position = |peer| matches!(self.last_sent(peer), SentVerdict::Position(_));
        let newcomers = self.queue.positions().into_iter().filter(|(peer, _)| !knows_position(*peer));
        for (peer, position) in newcomers.collect::<Vec<_>>() {
            self.queue_verdict(
                peer,
                SentVerdict::Position(position),
                ChokerVerdict::Choke { peer, position },
            );
        }
        for peer in served {
            if self.last_sent(*peer) != SentVerdict::Served {
                self.queue_verdict(*peer, SentVerdict::Served, ChokerVerdict::Unchoke { peer: *peer });
            }
        }
    }

    fn report_places(&mut self, now: Instant) {
        if self.queue.report_due().is_none_or(|due| now < due) {
            return;
        }
        let is_new = |peer, position| self.last_sent(peer) != SentVerdict::Position(position);
        let moved: Vec<_> =
            self.queue.positions().into_iter().filter(|(peer, position)| is_new(*peer, *position)).collect();
        let any = !moved.is_empty();
        for (peer, position) in moved {
            self.queue_verdict(
                peer,
                SentVerdict::Position(position),
                ChokerVerdict::Position { peer, position },
            );
        }
        self.queue.reported(any.then_some(now));
    }

    fn last_sent(&self, peer: PeerKey) -> SentVerdict {
        self.peers.get(&peer).map_or(SentVerdict::Nothing, |contender| contender.last_sent)
    }

    fn queue_verdict(&mut self, peer: PeerKey, what: SentVerdict, verdict: ChokerVerdict) {
        if let Some(contender) = self.peers.get_mut(&peer) {
            contender.last_sent = what;
            self.verdicts.push_back(verdict);
        }
    }

    pub(super) fn merit(&self, peer: PeerKey) -> Merit {
        self.peers.get(&peer).map(ChokerPeer::merit).unwrap_or_default()
    }

    fn is_challengeable(&self, peer: PeerKey, now: Instant) -> bool {
        let since = self.peers.get(&peer).and_then(ChokerPeer::served_since);
        since.is_none_or(|since| now.saturating_duration_since(since) >= self.config.round_interval)
    }

    pub(super) fn serve(&mut self, peer: PeerKey, now: Instant, served: &mut Vec<PeerKey>) {
        let Some(contender) = self.peers.get_mut(&peer) else { return };
        if let Some(ticket) = contender.ticket() {
            self.queue.serve(contender.sharer(peer), ticket);
        }
        debug_assert!(contender.served_since().is_none(), "a served peer is not served again");
        contender.status = PeerStatus::Served { since: now };
        served.push(peer);
    }

    pub(super) fn enqueue(&mut self, peer: PeerKey) {
        if let Some(contender) = self.peers.get_mut(&peer) {
            let sharer = contender.sharer(peer);
            // Joined before released, so that the sharer is not removed in between.
            let ticket = self.queue.join(sharer, peer);
            self.queue.release(sharer);
            contender.status = PeerStatus::Waiting { ticket };
        }
    }
}
