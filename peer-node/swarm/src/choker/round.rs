//! Who gets a slot and who loses one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::peer::{ChokerPeer, Merit, PeerStatus, SentVerdict};
use super::{Choker, ChokerVerdict, PeerKey};

impl Choker {
    /// Brings the slots into order: takes what is too many, holds a round and passes the optimistic slot on when they
    /// are due, fills what is free, and says what has changed.
    pub(super) fn decide(&mut self, now: Instant) {
        self.needs_decision = false;
        let mut served = Vec::new();
        let is_contested = self.queue.sharer_count() > 1;
        self.is_shared |= is_contested;
        self.take_excess();
        self.take_surplus();
        if now >= self.round_due {
            self.challenge(now, &mut served);
            self.peers.values_mut().for_each(ChokerPeer::end_round);
            self.is_shared = is_contested;
            self.round_due = now + self.config.round_interval;
        }
        if self.rotation_due().is_some_and(|due| now >= due) {
            // Who has shown itself fast in the optimistic slot does not go back to the end of the queue.
            self.challenge(now, &mut served);
            if self.rotation_due().is_some_and(|due| now >= due) {
                self.rotate_optimistic(now, &mut served);
            }
        }
        self.rotate_within_addresses(now, &mut served);
        self.fill(now, &mut served);
        self.queue_verdicts(&served);
        self.report_places(now);
    }

    /// Chokes the weakest when there are fewer slots than before.
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

    /// Lets all who have no regular slot challenge those who have one, the best against the weakest.
    fn challenge(&mut self, now: Instant, served: &mut Vec<PeerKey>) {
        if self.queue.is_empty() {
            return;
        }
        let mut weakest: BinaryHeap<_> = self
            .regular
            .iter()
            .filter(|peer| self.is_challengeable(**peer, now))
            .map(|peer| Reverse((self.merit(*peer), *peer)))
            .collect();
        // Among equals the optimistic one comes first, then whoever has waited longest.
        let placed = self.queue.places().into_iter().filter(|(_, place)| *place > 0);
        let challengers = self.optimistic.map(|peer| (peer, 0)).into_iter().chain(placed);
        let mut best: BinaryHeap<_> =
            challengers.map(|(peer, place)| (self.merit(peer), Reverse(place), peer)).collect();
        while let Some((merit, _, challenger)) = best.pop() {
            if self.optimistic != Some(challenger) && self.has_share(challenger) {
                continue;
            }
            let Some(Reverse((held, holder))) = weakest.pop() else { break };
            if !merit.clearly_beats(held) {
                break;
            }
            self.regular.remove(&holder);
            if self.optimistic == Some(challenger) {
                self.optimistic = None;
            } else {
                self.serve(challenger, now, served);
            }
            self.regular.insert(challenger);
            self.enqueue(holder);
        }
    }

    /// Gives the optimistic slot to the next one; who had it joins the queue's end.
    fn rotate_optimistic(&mut self, now: Instant, served: &mut Vec<PeerKey>) {
        let Some(holder) = self.optimistic else { return };
        let Some(head) = self.queue.next_peer_after(self.sharer(holder), self.max_slots()) else { return };
        self.serve(head, now, served);
        self.optimistic = Some(head);
        self.enqueue(holder);
    }

    /// Returns who gets a slot that is free, if there is one.
    fn next_to_fill(&self) -> Option<PeerKey> {
        let is_free = self.regular.len() < self.config.slots || self.optimistic.is_none();
        is_free.then(|| self.queue.next_peer(self.max_slots())).flatten()
    }

    /// Assigns the free slots to the peers that wait and may have one, in the order of the queue.
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

    /// Says first who is choked and then who is served, so that there are never more than there are slots.
    fn queue_verdicts(&mut self, served: &[PeerKey]) {
        // Those who came or were choked since the last decision know no place yet.
        let knows_place = |peer| matches!(self.last_sent(peer), SentVerdict::Position(_));
        let newcomers = self.queue.places().into_iter().filter(|(peer, _)| !knows_place(*peer));
        for (peer, place) in newcomers.collect::<Vec<_>>() {
            self.queue_verdict(
                peer,
                SentVerdict::Position(place),
                ChokerVerdict::Choke { peer, position: place },
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
        let is_new = |peer, place| self.last_sent(peer) != SentVerdict::Position(place);
        let moved: Vec<_> =
            self.queue.places().into_iter().filter(|(peer, place)| is_new(*peer, *place)).collect();
        let any = !moved.is_empty();
        for (peer, place) in moved {
            self.queue_verdict(
                peer,
                SentVerdict::Position(place),
                ChokerVerdict::Position { peer, position: place },
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
        contender.status = PeerStatus::Served { since: now };
        served.push(peer);
    }

    pub(super) fn enqueue(&mut self, peer: PeerKey) {
        if let Some(contender) = self.peers.get_mut(&peer) {
            let sharer = contender.sharer(peer);
            // Joined first, so that the sharer is not forgotten in between.
            let ticket = self.queue.join(sharer, peer);
            self.queue.release(sharer);
            contender.status = PeerStatus::Waiting { ticket };
        }
    }
}
