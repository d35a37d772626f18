//! Messages between nodes and the reactions to them.

use std::time::Duration;

use swarm::{ChokerVerdict, PeerKey, SourceId, Swarm, SwarmAction};

use super::event_queue::{SimEvent, SimMessage, SimNodeId};
use super::network::SimNetwork;
use super::plan::transfer_time;

/// Time for which a driver collects events before it polls the engine.
const BATCH_DELAY: Duration = Duration::from_millis(10);

impl SimNetwork {
    /// Delivers a message to a node and carries out the consequences.
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
                let is_unchoked = node.links.get(&from).is_some_and(|link| link.is_unchoked);
                if is_unchoked && node.pieces.has(block.piece) {
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
                    // Have messages arrive in bursts; polling once per burst keeps the simulation fast.
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

    /// Polls a node's engine and choker, and carries out their actions.
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

    /// Schedules a poll after a short delay: a driver handles all pending messages before it polls.
    fn schedule_poll(&mut self, id: SimNodeId) {
        self.schedule_wake(id, self.now + BATCH_DELAY);
    }

    fn schedule_wake(&mut self, id: SimNodeId, time: Duration) {
        let node = &mut self.nodes[id as usize];
        if node.wake_at.is_none_or(|planned| time < planned) {
            node.wake_at = Some(time);
            self.events.schedule(time, SimEvent::Wake(id));
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
                    // The simulation has no content: every piece verifies.
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
            self.events.schedule(arrives, SimEvent::Deliver { from, to, link, message });
        }
    }

    /// Starts sending a node's next bytes if its uplink is idle.
    fn start_next_send(&mut self, id: SimNodeId) {
        if let Some(outgoing) = self.nodes[id as usize].uplink.start_send() {
            let rate = if id == 0 { self.plan.source_upload_rate } else { self.plan.upload_rate };
            self.events
                .schedule(self.now + transfer_time(outgoing.bytes.into(), rate), SimEvent::SendComplete(id));
        }
    }

    /// Handles the end of a send on a node's uplink.
    pub(super) fn finish_send(&mut self, id: SimNodeId) {
        let clock = self.clock();
        let node = &mut self.nodes[id as usize];
        if let Some(outgoing) = node.uplink.finish_send()
            && node.links.contains_key(&outgoing.to)
        {
            node.choker.sent(PeerKey(outgoing.to.into()), outgoing.bytes.into(), clock);
            if id == 0 {
                self.outcome.source_sent += u64::from(outgoing.bytes);
            }
            let reaches = self.now + self.delay(id, outgoing.to);
            let arrives =
                self.nodes[outgoing.to as usize].receive(outgoing.bytes, self.plan.download_rate, reaches);
            let message =
                SimMessage::Bytes { block: outgoing.block, bytes: outgoing.bytes, last: outgoing.last };
            self.deliver(id, outgoing.to, message, arrives);
        }
        self.start_next_send(id);
    }
}
