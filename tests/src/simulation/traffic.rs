//! What the nodes tell each other, and do about it.

use std::time::Duration;

use swarm::{ChokerVerdict, PeerKey, SourceId, Swarm, SwarmAction};

use super::event_queue::{SimEvent, SimMessage, SimNodeId};
use super::network::SimNetwork;
use super::plan::transfer_time;

/// How long a driver goes on taking in news before it asks the engine what follows from it.
const BATCH_DELAY: Duration = Duration::from_millis(10);

impl SimNetwork {
    /// Lets a node take in a message and do what follows from it.
    pub(super) fn handle_message(&mut self, from: SimNodeId, to: SimNodeId, message: SimMessage) {
        let clock = self.clock();
        let node = &mut self.nodes[to as usize];
        let (source, peer) = (SourceId(from), PeerKey(from.into()));
        match message {
            SimMessage::Interest(true) => node.choker.interested(peer, clock),
            SimMessage::Interest(false) => {
                node.choker.not_interested(peer, clock);
                if node.links.get(&from).is_some_and(|link| link.is_unchoked) {
                    let answers = node.choke(from);
                    for answer in answers {
                        self.send(to, from, answer);
                    }
                }
            }
            SimMessage::Request(block) => {
                let serves = node.links.get(&from).is_some_and(|link| link.is_unchoked);
                if serves && node.pieces.has(block.piece) {
                    node.uplink.enqueue(from, block);
                    self.start_next_send(to);
                } else {
                    self.send(to, from, SimMessage::Reject(block));
                }
                return;
            }
            SimMessage::Cancel(block) => {
                if node.uplink.cancel(from, block) {
                    self.send(to, from, SimMessage::Reject(block));
                }
                return;
            }
            SimMessage::Bytes { bytes, .. } => {
                self.outcome.received += u64::from(bytes);
                node.choker.received(peer, bytes.into(), clock);
            }
            _ => {}
        }
        if let Some(swarm) = &mut self.nodes[to as usize].swarm {
            match message {
                SimMessage::Have(piece) => {
                    swarm.source_has(source, piece);
                    return self.schedule_poll(to);
                }
                SimMessage::Choke => swarm.source_choked(source),
                SimMessage::Unchoke => swarm.source_unchoked(source),
                SimMessage::Reject(block) => swarm.block_rejected(source, block, clock),
                SimMessage::Bytes { block, bytes, last } => {
                    swarm.bytes_arrived(source, bytes.into(), clock);
                    if last {
                        swarm.block_arrived(source, block, clock);
                    }
                }
                _ => {}
            }
        }
        self.poll_node(to);
    }

    /// Asks a node's engine and its choker for all they want done now.
    pub(super) fn poll_node(&mut self, id: SimNodeId) {
        let clock = self.clock();
        while let Some(action) = self.nodes[id as usize].swarm.as_mut().and_then(|swarm| swarm.poll(clock)) {
            self.apply_action(id, &action);
        }
        let node = &mut self.nodes[id as usize];
        if node.swarm.as_ref().is_some_and(Swarm::is_complete) {
            node.swarm = None;
            self.outcome.finished[id as usize - 1].get_or_insert(self.now);
        }
        while let Some(verdict) = self.nodes[id as usize].choker.poll(clock) {
            self.apply_verdict(id, verdict);
        }
        let deadline = self.nodes[id as usize].deadline();
        if let Some(deadline) = deadline {
            self.schedule_wake(id, self.now + deadline.saturating_duration_since(clock));
        }
    }

    /// Asks them when a little more may have come: a driver takes in all that is there before it asks.
    fn schedule_poll(&mut self, id: SimNodeId) {
        self.schedule_wake(id, self.now + BATCH_DELAY);
    }

    fn schedule_wake(&mut self, id: SimNodeId, time: Duration) {
        let node = &mut self.nodes[id as usize];
        if node.wake_at.is_none_or(|planned| time < planned) {
            node.wake_at = Some(time);
            self.agenda.schedule(time, SimEvent::Wake(id));
        }
    }

    fn apply_action(&mut self, id: SimNodeId, action: &SwarmAction) {
        match *action {
            SwarmAction::Request { source, block } => self.send(id, source.0, SimMessage::Request(block)),
            SwarmAction::Cancel { source, block } => self.send(id, source.0, SimMessage::Cancel(block)),
            SwarmAction::Interest { source, on } => self.send(id, source.0, SimMessage::Interest(on)),
            SwarmAction::Verify { piece } => {
                let node = &mut self.nodes[id as usize];
                if let Some(swarm) = &mut node.swarm {
                    swarm.piece_checked(piece, true);
                }
                node.pieces.insert(piece);
                let neighbours: Vec<SimNodeId> = node.links.keys().copied().collect();
                for to in neighbours {
                    self.send(id, to, SimMessage::Have(piece));
                }
            }
            SwarmAction::Drop { .. } => {}
            SwarmAction::Disconnect { source, .. } => self.disconnect(id, source.0),
        }
    }

    fn apply_verdict(&mut self, id: SimNodeId, verdict: ChokerVerdict) {
        let peer = SimNodeId::try_from(verdict.peer().0).unwrap_or(0);
        let node = &mut self.nodes[id as usize];
        match verdict {
            ChokerVerdict::Unchoke { .. } => {
                if let Some(link) = node.links.get_mut(&peer) {
                    link.is_unchoked = true;
                }
                self.send(id, peer, SimMessage::Unchoke);
            }
            ChokerVerdict::Choke { .. } => {
                let answers = node.choke(peer);
                for answer in answers {
                    self.send(id, peer, answer);
                }
            }
            ChokerVerdict::Position { .. } => {}
        }
    }

    fn send(&mut self, from: SimNodeId, to: SimNodeId, message: SimMessage) {
        let arrives = self.now + self.delay(from, to);
        self.deliver(from, to, message, arrives);
    }

    fn deliver(&mut self, from: SimNodeId, to: SimNodeId, message: SimMessage, arrives: Duration) {
        if let Some(link) = self.nodes[from as usize].links.get(&to).map(|link| link.id) {
            self.agenda.schedule(arrives, SimEvent::Deliver { from, to, link, message });
        }
    }

    /// Lets a node send the next bytes, if it sends none now.
    fn start_next_send(&mut self, id: SimNodeId) {
        if let Some(parcel) = self.nodes[id as usize].uplink.start_send() {
            let rate = if id == 0 { self.plan.source_upload_rate } else { self.plan.upload_rate };
            self.agenda
                .schedule(self.now + transfer_time(parcel.bytes.into(), rate), SimEvent::SendComplete(id));
        }
    }

    /// Takes in that the bytes a node was sending are out.
    pub(super) fn finish_send(&mut self, id: SimNodeId) {
        let clock = self.clock();
        let node = &mut self.nodes[id as usize];
        if let Some(parcel) = node.uplink.finish_send()
            && node.links.contains_key(&parcel.to)
        {
            node.choker.sent(PeerKey(parcel.to.into()), parcel.bytes.into(), clock);
            if id == 0 {
                self.outcome.source_sent += u64::from(parcel.bytes);
            }
            let reaches = self.now + self.delay(id, parcel.to);
            let arrives =
                self.nodes[parcel.to as usize].receive(parcel.bytes, self.plan.download_rate, reaches);
            let message = SimMessage::Bytes { block: parcel.block, bytes: parcel.bytes, last: parcel.last };
            self.deliver(id, parcel.to, message, arrives);
        }
        self.start_next_send(id);
    }
}
