//! Handles the events of peers.

use std::time::Instant;

use super::TorrentSession;
use super::active_swarm::{
    ActiveSwarm, BACKLOG, ConnectedPeer, DEFAULT_REQUESTS, MAX_REQUESTS, TorrentPhase,
};
use crate::bittorrent::{PeerWire, WireEvent};
use crate::torrent::peer_table::DisconnectKind;
use crate::transfer::fresh_seed::fresh_seed;
use swarm::{Have, SourceId};

/// Requests in a row that a peer may reject: four full pipelines, since choking rejects a whole pipeline.
const MAX_REJECTIONS_IN_A_ROW: usize = 4 * MAX_REQUESTS;

impl TorrentSession {
    /// Handles an event and those queued behind it; bounded, since events may arrive faster than they are handled.
    pub(super) fn handle_events(&mut self, id: SourceId, event: WireEvent, active: &mut ActiveSwarm) {
        self.handle_event(id, event, active);
        // Drain queued events without waiting, so that one engine step covers all of them.
        for _ in 0..BACKLOG {
            let Ok((id, event)) = active.events.try_recv() else { break };
            self.handle_event(id, event, active);
        }
    }

    fn handle_event(&mut self, id: SourceId, event: WireEvent, active: &mut ActiveSwarm) {
        let now = Instant::now();
        match event {
            WireEvent::Joined { wire, have, choked } => self.add_peer(id, wire, have, choked, active),
            WireEvent::Has { piece } => active.pieces.swarm_mut().source_has(id, piece),
            WireEvent::RequestLimit { requests } => {
                active.pieces.swarm_mut().source_limits_requests(id, requests);
            }
            WireEvent::Choked => active.pieces.swarm_mut().source_choked(id),
            WireEvent::Unchoked => active.pieces.swarm_mut().source_unchoked(id),
            WireEvent::Bytes { count } => self.add_received(id, count, active, now),
            WireEvent::Blocks { blocks, count } => {
                self.add_received(id, count, active, now);
                if let Some(peer) = active.peers.get_mut(&id) {
                    peer.rejections = 0;
                }
                for (block, data) in blocks {
                    active.pieces.add_block(id, block, data, now);
                }
            }
            WireEvent::Rejected(blocks) => {
                let peer = active.peers.get_mut(&id);
                let rejections = peer.map_or(0, |peer| peer.count_rejected(blocks.len()));
                for block in blocks {
                    active.pieces.swarm_mut().block_refused(id, block, now);
                }
                if rejections > MAX_REJECTIONS_IN_A_ROW {
                    self.disconnect(active, id, "it rejects every request", DisconnectKind::Useless);
                }
            }
            WireEvent::Disconnected { reason, can_retry } => {
                let kind = if can_retry { DisconnectKind::RetrySoon } else { DisconnectKind::Useless };
                self.disconnect(active, id, &reason, kind);
            }
        }
    }

    fn add_peer(&mut self, id: SourceId, wire: PeerWire, have: Have, choked: bool, active: &mut ActiveSwarm) {
        let address = wire.address();
        if self.peer_table.is_banned(address) {
            tracing::info!(%address, "banned peer refused");
            wire.close();
            return;
        }
        tracing::info!(%address, client = wire.client(), inbound = wire.is_inbound(), "peer joined");
        // The engine assumes that we are interested in a new source.
        wire.set_interested(!active.pieces.swarm().is_complete());
        active.peers.insert(id, ConnectedPeer::new(wire, address));
        active.next_dial = Some(Instant::now());
        active.pieces.swarm_mut().source_joined(id, have, choked, Instant::now());
        active.pieces.swarm_mut().source_limits_requests(id, DEFAULT_REQUESTS);
        active.report_paths();
        self.contributions.connected(address);
    }

    pub(super) fn add_received(&mut self, id: SourceId, count: u64, active: &mut ActiveSwarm, now: Instant) {
        self.view_publisher.received(count, now);
        self.downloaded += count;
        if let Some(address) = active.address(id) {
            self.peer_table.reset_failures(address);
            self.contributions.add_bytes(address, count);
        }
        active.pieces.swarm_mut().bytes_arrived(id, count, now);
    }

    /// Disconnects a peer, temporarily or permanently.
    pub(super) fn disconnect(
        &mut self,
        active: &mut ActiveSwarm,
        id: SourceId,
        reason: &str,
        kind: DisconnectKind,
    ) {
        if active.native_sources.as_ref().is_some_and(|natives| natives.address(id).is_some()) {
            return self.disconnect_native(id, reason, kind == DisconnectKind::Banned, active);
        }
        active.pieces.swarm_mut().source_lost(id);
        let Some(ConnectedPeer { wire, address, .. }) = active.peers.remove(&id) else { return };
        if kind == DisconnectKind::Banned {
            tracing::warn!(%address, reason, "peer banned");
        } else {
            tracing::info!(%address, reason, "peer disconnected");
        }
        wire.close();
        // After completion, a disconnect is no fault.
        let is_expected = active.pieces.swarm().is_complete() && kind != DisconnectKind::Banned;
        self.contributions.disconnected(address, (!is_expected).then_some(reason));
        // While seeding, the other side may be complete too, so a quick retry is useless.
        let kind = match (kind, active.phase) {
            (DisconnectKind::RetrySoon, TorrentPhase::Seeding) => DisconnectKind::Useless,
            _ => kind,
        };
        self.peer_table.disconnected(address, kind, Instant::now(), fresh_seed());
        active.next_dial = Some(Instant::now());
    }
}
