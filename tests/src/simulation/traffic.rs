//! What the nodes tell each other, and do about it.

use std::time::Duration;

use peer_node::swarm::{Action, PeerKey, SourceId, Swarm, Verdict};

use super::agenda::{Event, Message, NodeId};
use super::plan::time_for;
use super::world::World;

/// How long a driver goes on taking in news before it asks the engine what follows from it.
const TAKING_IN: Duration = Duration::from_millis(10);

impl World {
    /// Lets a node take in a message and do what follows from it.
    pub(super) fn hear(&mut self, from: NodeId, to: NodeId, message: Message) {
        let clock = self.clock();
        let node = &mut self.nodes[to as usize];
        let (source, peer) = (SourceId(from), PeerKey(from.into()));
        match message {
            Message::Interest(true) => node.choker.interested(peer, clock),
            Message::Interest(false) => {
                node.choker.not_interested(peer, clock);
                if node.links.get(&from).is_some_and(|link| link.serves) {
                    let answers = node.choke(from);
                    for answer in answers {
                        self.send(to, from, answer);
                    }
                }
            }
            Message::Request(block) => {
                let serves = node.links.get(&from).is_some_and(|link| link.serves);
                if serves && node.pieces.has(block.piece) {
                    node.uplink.order(from, block);
                    self.send_on(to);
                } else {
                    self.send(to, from, Message::Reject(block));
                }
                return;
            }
            Message::Cancel(block) => {
                if node.uplink.cancel(from, block) {
                    self.send(to, from, Message::Reject(block));
                }
                return;
            }
            Message::Bytes { bytes, .. } => {
                self.outcome.received += u64::from(bytes);
                node.choker.received(peer, bytes.into(), clock);
            }
            _ => {}
        }
        if let Some(swarm) = &mut self.nodes[to as usize].swarm {
            match message {
                Message::Have(piece) => {
                    swarm.source_has(source, piece);
                    return self.settle_soon(to);
                }
                Message::Choke => swarm.source_choked(source),
                Message::Unchoke => swarm.source_unchoked(source),
                Message::Reject(block) => swarm.block_rejected(source, block, clock),
                Message::Bytes { block, bytes, last } => {
                    swarm.bytes_arrived(source, bytes.into(), clock);
                    if last {
                        swarm.block_arrived(source, block, clock);
                    }
                }
                _ => {}
            }
        }
        self.settle(to);
    }

    /// Asks a node's engine and its choker for all they want done now.
    pub(super) fn settle(&mut self, id: NodeId) {
        let clock = self.clock();
        while let Some(action) = self.nodes[id as usize].swarm.as_mut().and_then(|swarm| swarm.poll(clock)) {
            self.act(id, &action);
        }
        let node = &mut self.nodes[id as usize];
        if node.swarm.as_ref().is_some_and(Swarm::is_complete) {
            node.swarm = None;
            self.outcome.finished[id as usize - 1].get_or_insert(self.now);
        }
        while let Some(verdict) = self.nodes[id as usize].choker.poll(clock) {
            self.pronounce(id, verdict);
        }
        let deadline = self.nodes[id as usize].deadline();
        if let Some(deadline) = deadline {
            self.wake(id, self.now + deadline.saturating_duration_since(clock));
        }
    }

    /// Asks them when a little more may have come: a driver takes in all that is there before it asks.
    fn settle_soon(&mut self, id: NodeId) {
        self.wake(id, self.now + TAKING_IN);
    }

    fn wake(&mut self, id: NodeId, time: Duration) {
        let node = &mut self.nodes[id as usize];
        if node.wakes.is_none_or(|planned| time < planned) {
            node.wakes = Some(time);
            self.agenda.plan(time, Event::Wake(id));
        }
    }

    fn act(&mut self, id: NodeId, action: &Action) {
        match *action {
            Action::Request { source, block } => self.send(id, source.0, Message::Request(block)),
            Action::Cancel { source, block } => self.send(id, source.0, Message::Cancel(block)),
            Action::Interest { source, on } => self.send(id, source.0, Message::Interest(on)),
            Action::Check { piece } => {
                let node = &mut self.nodes[id as usize];
                if let Some(swarm) = &mut node.swarm {
                    swarm.piece_checked(piece, true);
                }
                node.pieces.insert(piece);
                let neighbours: Vec<NodeId> = node.links.keys().copied().collect();
                for to in neighbours {
                    self.send(id, to, Message::Have(piece));
                }
            }
            Action::Drop { .. } => {}
            Action::Leave { source, .. } => self.disconnect(id, source.0),
        }
    }

    fn pronounce(&mut self, id: NodeId, verdict: Verdict) {
        let peer = NodeId::try_from(verdict.peer().0).unwrap_or(0);
        let node = &mut self.nodes[id as usize];
        match verdict {
            Verdict::Unchoke { .. } => {
                if let Some(link) = node.links.get_mut(&peer) {
                    link.serves = true;
                }
                self.send(id, peer, Message::Unchoke);
            }
            Verdict::Choke { .. } => {
                let answers = node.choke(peer);
                for answer in answers {
                    self.send(id, peer, answer);
                }
            }
            Verdict::Place { .. } => {}
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        let arrives = self.now + self.delay(from, to);
        self.deliver(from, to, message, arrives);
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, message: Message, arrives: Duration) {
        if let Some(link) = self.nodes[from as usize].links.get(&to).map(|link| link.id) {
            self.agenda.plan(arrives, Event::Deliver { from, to, link, message });
        }
    }

    /// Lets a node send the next bytes, if it sends none now.
    fn send_on(&mut self, id: NodeId) {
        if let Some(parcel) = self.nodes[id as usize].uplink.begin() {
            let rate = if id == 0 { self.plan.source_up } else { self.plan.up };
            self.agenda.plan(self.now + time_for(parcel.bytes.into(), rate), Event::Sent(id));
        }
    }

    /// Takes in that the bytes a node was sending are out.
    pub(super) fn sent(&mut self, id: NodeId) {
        let clock = self.clock();
        let node = &mut self.nodes[id as usize];
        if let Some(parcel) = node.uplink.sent()
            && node.links.contains_key(&parcel.to)
        {
            node.choker.sent(PeerKey(parcel.to.into()), parcel.bytes.into(), clock);
            if id == 0 {
                self.outcome.from_source += u64::from(parcel.bytes);
            }
            let reaches = self.now + self.delay(id, parcel.to);
            let arrives = self.nodes[parcel.to as usize].receive(parcel.bytes, self.plan.down, reaches);
            let message = Message::Bytes { block: parcel.block, bytes: parcel.bytes, last: parcel.last };
            self.deliver(id, parcel.to, message, arrives);
        }
        self.send_on(id);
    }
}
