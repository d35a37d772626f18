//! What peers say.

use std::time::Instant;

use protocol::geometry::Block;

use super::Session;
use super::party::{BACKLOG, Live, MAX_REQUESTS, Party, Phase, USUAL_REQUESTS};
use crate::bittorrent::{Wire, WireEvent};
use crate::swarm::{Have, SourceId};
use crate::torrent::peer_book::Parting;
use crate::transport::Buffer;

/// So many requests in a row a peer may turn down: what may be under way when it chokes us, four times.
const MAX_REJECTIONS: usize = 4 * MAX_REQUESTS;

impl Session {
    /// Sees to an event and to those that came with it; not to all that may come meanwhile, which could go on for ever.
    pub(super) fn hear_all(&mut self, id: SourceId, event: WireEvent, party: &mut Party) {
        self.hear(id, event, party);
        for _ in 0..BACKLOG {
            let Ok((id, event)) = party.events.try_recv() else { break };
            self.hear(id, event, party);
        }
    }

    fn hear(&mut self, id: SourceId, event: WireEvent, party: &mut Party) {
        let now = Instant::now();
        match event {
            WireEvent::Joined { wire, have, choked } => self.joined(id, wire, have, choked, party),
            WireEvent::Has { piece } => party.swarm.source_has(id, piece),
            WireEvent::Takes { requests } => party.swarm.source_takes(id, requests),
            WireEvent::Choked => party.swarm.source_choked(id),
            WireEvent::Unchoked => party.swarm.source_unchoked(id),
            WireEvent::Bytes { count } => self.bytes(id, count, party, now),
            WireEvent::Blocks { blocks, count } => {
                self.bytes(id, count, party, now);
                if let Some(peer) = party.live.get_mut(&id) {
                    peer.rejections = 0;
                }
                for (block, data) in blocks {
                    party.block(id, block, data, now);
                }
            }
            WireEvent::Rejected(blocks) => {
                let peer = party.live.get_mut(&id);
                let rejections = peer.map_or(0, |peer| peer.rejected(blocks.len()));
                for block in blocks {
                    party.swarm.block_turned_down(id, block, now);
                }
                if rejections > MAX_REJECTIONS {
                    self.leave(party, id, "it gives nothing of what it is asked for", Parting::Useless);
                }
            }
            WireEvent::Lost { reason, again } => {
                let parting = if again { Parting::Soon } else { Parting::Useless };
                self.leave(party, id, &reason, parting);
            }
        }
    }

    fn joined(&mut self, id: SourceId, wire: Wire, have: Have, choked: bool, party: &mut Party) {
        let address = wire.address();
        if self.book.is_banned(address) {
            tracing::info!(%address, "peer refused: it did wrong before");
            wire.close();
            return;
        }
        tracing::info!(%address, client = wire.client(), inbound = wire.is_inbound(), "peer joined");
        // The engine takes a new source to be told that it has something of use.
        wire.interested(!party.swarm.is_complete());
        party.live.insert(id, Live::new(wire, address));
        party.swarm.source_joined(id, have, choked, Instant::now());
        party.swarm.source_takes(id, USUAL_REQUESTS);
        party.measure();
        self.givers.joined(address);
    }

    pub(super) fn bytes(&mut self, id: SourceId, count: u64, party: &mut Party, now: Instant) {
        self.board.received(count, now);
        self.downloaded += count;
        if let Some(address) = party.address(id) {
            self.book.useful(address);
            self.givers.gave(address, count);
        }
        party.swarm.bytes_arrived(id, count, now);
    }

    /// Parts with a peer, for some time or for good.
    pub(super) fn leave(&mut self, party: &mut Party, id: SourceId, why: &str, parting: Parting) {
        if party.natives.as_ref().is_some_and(|natives| natives.address(id).is_some()) {
            return self.leave_native(id, why, parting == Parting::Banned, party);
        }
        party.swarm.source_lost(id);
        let Some(Live { wire, address, .. }) = party.live.remove(&id) else { return };
        if parting == Parting::Banned {
            tracing::warn!(%address, why, "peer left for good");
        } else {
            tracing::info!(%address, why, "peer gone");
        }
        wire.close();
        // Once all is here it is no fault to go.
        let is_over = party.swarm.is_complete() && parting != Parting::Banned;
        self.givers.left(address, (!is_over).then_some(why));
        // Of a peer that dialled us it is not known where it listens; between two that are complete there is nothing to do.
        let parting = match (parting, party.phase) {
            (Parting::Soon, Phase::Seeding) => Parting::Useless,
            _ => parting,
        };
        self.book.parted(address, parting, Instant::now());
    }
}

impl Party {
    /// Takes in a block; its bytes are dropped if it is not wanted any more.
    pub(super) fn block(&mut self, id: SourceId, block: Block, data: Buffer, now: Instant) {
        if self.swarm.block_arrived(id, block, now) {
            self.assembly.put(block, data);
        }
    }
}
