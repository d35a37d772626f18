//! What peers say.

use std::time::Instant;

use protocol::geometry::Block;

use super::TorrentSession;
use super::active_swarm::{
    ActiveSwarm, BACKLOG, ConnectedPeer, DEFAULT_REQUESTS, MAX_REQUESTS, TorrentPhase,
};
use crate::bittorrent::{PeerWire, WireEvent};
use crate::torrent::peer_table::DisconnectKind;
use crate::transport::Buffer;
use swarm::{Have, SourceId};

/// So many requests in a row a peer may turn down: what may be under way when it chokes us, four times.
const MAX_REJECTIONS_IN_A_ROW: usize = 4 * MAX_REQUESTS;

impl TorrentSession {
    /// Sees to an event and to those that came with it; not to all that may come meanwhile, which could go on for ever.
    pub(super) fn handle_events(&mut self, id: SourceId, event: WireEvent, party: &mut ActiveSwarm) {
        self.handle_event(id, event, party);
        for _ in 0..BACKLOG {
            let Ok((id, event)) = party.events.try_recv() else { break };
            self.handle_event(id, event, party);
        }
    }

    fn handle_event(&mut self, id: SourceId, event: WireEvent, party: &mut ActiveSwarm) {
        let now = Instant::now();
        match event {
            WireEvent::Joined { wire, have, choked } => self.add_peer(id, wire, have, choked, party),
            WireEvent::Has { piece } => party.swarm.source_has(id, piece),
            WireEvent::RequestLimit { requests } => party.swarm.source_limits_requests(id, requests),
            WireEvent::Choked => party.swarm.source_choked(id),
            WireEvent::Unchoked => party.swarm.source_unchoked(id),
            WireEvent::Bytes { count } => self.add_received(id, count, party, now),
            WireEvent::Blocks { blocks, count } => {
                self.add_received(id, count, party, now);
                if let Some(peer) = party.peers.get_mut(&id) {
                    peer.rejections = 0;
                }
                for (block, data) in blocks {
                    party.add_block(id, block, data, now);
                }
            }
            WireEvent::Rejected(blocks) => {
                let peer = party.peers.get_mut(&id);
                let rejections = peer.map_or(0, |peer| peer.count_rejected(blocks.len()));
                for block in blocks {
                    party.swarm.block_turned_down(id, block, now);
                }
                if rejections > MAX_REJECTIONS_IN_A_ROW {
                    self.disconnect(
                        party,
                        id,
                        "it gives nothing of what it is asked for",
                        DisconnectKind::Useless,
                    );
                }
            }
            WireEvent::Disconnected { reason, can_retry: again } => {
                let parting = if again { DisconnectKind::RetrySoon } else { DisconnectKind::Useless };
                self.disconnect(party, id, &reason, parting);
            }
        }
    }

    fn add_peer(&mut self, id: SourceId, wire: PeerWire, have: Have, choked: bool, party: &mut ActiveSwarm) {
        let address = wire.address();
        if self.peer_table.is_banned(address) {
            tracing::info!(%address, "peer refused: it did wrong before");
            wire.close();
            return;
        }
        tracing::info!(%address, client = wire.client(), inbound = wire.is_inbound(), "peer joined");
        // The engine takes a new source to be told that it has something of use.
        wire.set_interested(!party.swarm.is_complete());
        party.peers.insert(id, ConnectedPeer::new(wire, address));
        party.swarm.source_joined(id, have, choked, Instant::now());
        party.swarm.source_limits_requests(id, DEFAULT_REQUESTS);
        party.report_paths();
        self.contributions.connected(address);
    }

    pub(super) fn add_received(&mut self, id: SourceId, count: u64, party: &mut ActiveSwarm, now: Instant) {
        self.board.received(count, now);
        self.downloaded += count;
        if let Some(address) = party.address(id) {
            self.peer_table.reset_failures(address);
            self.contributions.add_bytes(address, count);
        }
        party.swarm.bytes_arrived(id, count, now);
    }

    /// Parts with a peer, for some time or for good.
    pub(super) fn disconnect(
        &mut self,
        party: &mut ActiveSwarm,
        id: SourceId,
        why: &str,
        parting: DisconnectKind,
    ) {
        if party.native_sources.as_ref().is_some_and(|natives| natives.address(id).is_some()) {
            return self.disconnect_native(id, why, parting == DisconnectKind::Banned, party);
        }
        party.swarm.source_lost(id);
        let Some(ConnectedPeer { wire, address, .. }) = party.peers.remove(&id) else { return };
        if parting == DisconnectKind::Banned {
            tracing::warn!(%address, why, "peer left for good");
        } else {
            tracing::info!(%address, why, "peer gone");
        }
        wire.close();
        // Once all is here it is no fault to go.
        let is_over = party.swarm.is_complete() && parting != DisconnectKind::Banned;
        self.contributions.disconnected(address, (!is_over).then_some(why));
        // Of a peer that dialled us it is not known where it listens; between two that are complete there is nothing to do.
        let parting = match (parting, party.phase) {
            (DisconnectKind::RetrySoon, TorrentPhase::Seeding) => DisconnectKind::Useless,
            _ => parting,
        };
        self.peer_table.disconnected(address, parting, Instant::now());
    }
}

impl ActiveSwarm {
    /// Takes in a block; its bytes are dropped if it is not wanted any more.
    pub(super) fn add_block(&mut self, id: SourceId, block: Block, data: Buffer, now: Instant) {
        if self.swarm.block_arrived(id, block, now) {
            self.assembly.put(block, data);
        }
    }
}
