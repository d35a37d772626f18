//! Handles the events of neighbours.

use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::configured::{ConfiguredMessage, LogEvent};
use protocol::geometry::PieceIndex;

use super::choking::peer_key;
use super::neighbour::Neighbour;
use super::{BACKLOG, GroupPhase, GroupSession, GroupSessionInputs};
use crate::configured::disconnect_reason::GroupDisconnectReason;
use crate::configured::link::{GroupConnection, GroupLink};
use crate::configured::reader::{GroupEvent, piece_block};
use crate::configured::send_queue::OutgoingMessage;
use swarm::{Have, SourceId};

/// Maximum number of messages per connection that repeat known facts or request pieces that we do not have. Each costs a log
/// line.
const MAX_REPETITIONS: u32 = 10_000;

impl GroupSession {
    /// Starts to use a connection. It replaces an earlier connection to the same peer.
    pub(super) fn on_connected(&mut self, connection: GroupConnection) {
        let (peer, now, geometry) = (connection.peer, Instant::now(), self.config.common.geometry);
        if !self.peers.allows_log_line(peer, now) {
            tracing::warn!(%peer, address = %connection.address, "connection refused: peer exceeded its log budget");
            connection.closed.cancel();
            return;
        }
        tracing::info!(%peer, address = %connection.address, inbound = connection.is_inbound, "peer joined");
        if let Some(old) = self.peers.find(peer) {
            self.on_disconnected(old, &GroupDisconnectReason::Replaced);
        }
        self.log.record(if connection.is_inbound {
            LogEvent::Connected(peer)
        } else {
            LogEvent::Connects(peer)
        });
        let id = self.peers.next_id();
        let framing = self.config.framing.or_else(|| self.link_context.framings.get(peer));
        let link = GroupLink::start(id, connection, framing, &self.link_context);
        // Sent even without any piece: some implementations serve only neighbours that have sent a bitfield.
        link.send(OutgoingMessage::Bitfield(self.store.have().clone()));
        self.peers.insert(id, Neighbour::new(peer, link, &geometry, now));
        if self.pieces.is_complete() {
            self.peers.mark_notified(peer);
        }
        self.pieces.swarm_mut().source_joined(id, Have::Some(Bitfield::empty(&geometry)), true, now);
    }

    /// Handles an event and those already queued, but not later ones, which could arrive endlessly.
    pub(super) fn handle_events(&mut self, id: SourceId, event: GroupEvent, inbox: &mut GroupSessionInputs) {
        self.handle_event(id, event);
        for _ in 0..BACKLOG {
            let Ok((id, event)) = inbox.events.try_recv() else { break };
            self.handle_event(id, event);
        }
    }

    fn handle_event(&mut self, id: SourceId, event: GroupEvent) {
        let now = Instant::now();
        let Some(peer) = self.peers.get(id).map(|neighbour| neighbour.peer) else { return };
        if event.is_logged() && !self.peers.allows_log_line(peer, now) {
            let what = "it sends more messages than can be logged";
            return self.peers.disconnect(id, GroupDisconnectReason::Violation { what });
        }
        let Some(neighbour) = self.peers.get_mut(id) else { return };
        if !matches!(event, GroupEvent::Disconnected(_)) {
            neighbour.mark_has_sent();
        }
        match event {
            GroupEvent::Choke => self.on_choke(id, now),
            GroupEvent::Unchoke => self.on_unchoke(id),
            GroupEvent::Interested => {
                self.log.record(LogEvent::Interested(peer));
                self.choker.interested(peer_key(id));
            }
            GroupEvent::NotInterested => {
                self.log.record(LogEvent::NotInterested(peer));
                self.choker.not_interested(peer_key(id));
            }
            GroupEvent::Have(piece) => {
                self.log.record(LogEvent::Have(peer, piece));
                self.on_have(id, [piece]);
            }
            GroupEvent::Bitfield(pieces) => {
                neighbour.owe_interest_reply();
                let pieces = self.config.common.geometry.pieces().filter(|piece| pieces.has(*piece));
                self.on_have(id, pieces.collect::<Vec<_>>());
            }
            GroupEvent::Done => {
                neighbour.on_done();
                // Marking all pieces takes time and is useless for a complete neighbour.
                if neighbour.pieces.is_full() {
                    self.count_repetition(id);
                } else {
                    self.on_have(id, self.config.common.geometry.pieces());
                }
                self.answer_done(id);
            }
            GroupEvent::Request(piece) => self.on_request(id, piece),
            GroupEvent::Bytes(count) => {
                self.publisher.received(count, now);
                self.choker.received(peer_key(id), count);
                self.pieces.swarm_mut().bytes_arrived(id, count, now);
            }
            GroupEvent::Piece(piece, data) => {
                let block = piece_block(&self.config.common.geometry, piece);
                if self.pieces.add_block(id, block, data, now) {
                    self.store.set_piece_source(piece, peer);
                }
            }
            GroupEvent::Disconnected(reason) => self.on_disconnected(id, &reason),
        }
    }

    /// Records that a neighbour has pieces.
    fn on_have(&mut self, id: SourceId, pieces: impl IntoIterator<Item = PieceIndex>) {
        let Some(neighbour) = self.peers.get_mut(id) else { return };
        let mut any = false;
        for piece in pieces {
            if neighbour.add_piece(piece) {
                any = true;
                self.pieces.swarm_mut().source_has(id, piece);
            }
        }
        let (peer, is_complete) = (neighbour.peer, neighbour.pieces.is_full());
        if !any {
            self.count_repetition(id);
        } else if is_complete {
            self.peers.mark_complete(peer);
        }
    }

    fn on_choke(&mut self, id: SourceId, now: Instant) {
        let Some(neighbour) = self.peers.get_mut(id) else { return };
        let was_serving = std::mem::replace(&mut neighbour.is_serving, false);
        let rejected = neighbour.link.requests().take_rejected();
        let peer = neighbour.peer;
        self.pieces.swarm_mut().source_choked(id);
        for block in rejected {
            self.pieces.swarm_mut().block_rejected(id, block, now);
        }
        self.log.record(LogEvent::Choked(peer));
        if !was_serving {
            self.count_repetition(id);
        }
    }

    fn on_unchoke(&mut self, id: SourceId) {
        let Some(neighbour) = self.peers.get_mut(id) else { return };
        self.log.record(LogEvent::Unchoked(neighbour.peer));
        if std::mem::replace(&mut neighbour.is_serving, true) {
            self.count_repetition(id);
            return;
        }
        self.pieces.swarm_mut().source_unchoked(id);
    }

    fn on_request(&mut self, id: SourceId, piece: PieceIndex) {
        let is_stored = self.store.have().has(piece);
        let Some(neighbour) = self.peers.get_mut(id) else { return };
        if is_stored {
            neighbour.on_request(piece);
        } else {
            tracing::debug!(peer = %neighbour.peer, piece = piece.get(), "peer requested a piece that is not stored");
            self.count_repetition(id);
        }
    }

    /// Answers a neighbour that has the whole file and waits for our DONE.
    fn answer_done(&mut self, id: SourceId) {
        if matches!(self.phase, GroupPhase::Complete | GroupPhase::Lingering(_))
            && let Some(neighbour) = self.peers.get_mut(id)
        {
            neighbour.reply_done();
        }
    }

    /// Counts a message without news.
    fn count_repetition(&mut self, id: SourceId) {
        let Some(neighbour) = self.peers.get_mut(id) else { return };
        neighbour.repetitions += 1;
        if neighbour.repetitions > MAX_REPETITIONS {
            neighbour
                .link
                .close(GroupDisconnectReason::Violation { what: "it repeats known facts too often" });
        }
    }

    /// Removes a neighbour.
    pub(super) fn on_disconnected(&mut self, id: SourceId, reason: &GroupDisconnectReason) {
        let Some(neighbour) = self.peers.remove(id) else { return };
        let peer = neighbour.peer;
        if reason.is_peer_at_fault() {
            tracing::warn!(%peer, why = %reason, "peer misbehaved; disconnected");
        } else {
            tracing::info!(%peer, why = %reason, "peer disconnected");
        }
        self.pieces.swarm_mut().source_lost(id);
        self.choker.remove(peer_key(id));
    }

    /// Announces a stored piece to all neighbours.
    pub(super) fn broadcast_have(&mut self, piece: PieceIndex) {
        for neighbour in self.peers.neighbours_mut() {
            neighbour.send(ConfiguredMessage::Have { piece });
        }
    }
}
