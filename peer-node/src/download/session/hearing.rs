//! What sources say.

use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::peer::BlockRef;

use super::{BACKLOG, Inbox, Session, Stage};
use crate::download::manifest_choice::Offer;
use crate::download::roster::EarlyManifest;
use crate::native::{QueuePosition, SourceEvent};
use crate::swarm::{Have, SourceId};
use crate::transport::Buffer;

/// After how long a source that is gone is tried again, by how it went.
pub(super) const AFTER_LOSS: Duration = Duration::from_secs(3);
pub(super) const AFTER_REFUSAL: Duration = Duration::from_secs(30);

impl Session {
    /// Sees to an event and to those that came with it; not to all that may come meanwhile, which could go on for ever.
    pub(super) fn hear_all(&mut self, source: SourceId, event: SourceEvent, inbox: &mut Inbox) {
        self.hear(source, event);
        self.hear_waiting(inbox);
    }

    /// Sees to the events that wait now.
    pub(super) fn hear_waiting(&mut self, inbox: &mut Inbox) {
        for _ in 0..BACKLOG {
            let Ok((source, event)) = inbox.events.try_recv() else { break };
            self.hear(source, event);
        }
    }

    fn hear(&mut self, id: SourceId, event: SourceEvent) {
        let now = Instant::now();
        // That a source has one more piece is not counted: it can say so for ever.
        if matches!(
            event,
            SourceEvent::Offered { .. }
                | SourceEvent::ManifestPart { .. }
                | SourceEvent::Bytes { .. }
                | SourceEvent::Block { .. }
        ) {
            self.seek.heard = now;
        }
        match event {
            SourceEvent::Opened { channel, with_manifest } => {
                // Of one that is connected already the channel is closed again.
                if !self.roster.is_live(channel.link().node()) {
                    let early = if with_manifest { EarlyManifest::UnderWay } else { EarlyManifest::NotAsked };
                    self.roster.join(id, channel, early);
                }
            }
            SourceEvent::Choked { position } => self.choked(id, Some(position), now),
            SourceEvent::Unchoked => self.choked(id, None, now),
            SourceEvent::Offered { size, manifest, pieces, choked } => {
                if let Some(peer) = self.roster.get_mut(id) {
                    peer.standing.offered(choked, now);
                }
                self.offered(id, Offer { size, manifest }, pieces);
            }
            SourceEvent::NotShared => {
                self.part_with(id, "it does not share the file any more", Some(AFTER_REFUSAL));
            }
            SourceEvent::Lost { reason } => {
                self.part_with(id, &reason, Some(AFTER_LOSS));
                self.seek.next = self.seek.next.min(now + AFTER_LOSS);
            }
            SourceEvent::ManifestPart { first, states } => {
                if let Err(error) = self.manifest_part(id, first, &states, now) {
                    self.part_with(id, &error.to_string(), None);
                }
            }
            SourceEvent::Details { files } => self.details.add(files),
            SourceEvent::Has { piece } => self.has(id, piece),
            SourceEvent::Bytes { count } => self.bytes(id, count, now),
            SourceEvent::Block { reference, data, count } => {
                self.bytes(id, count, now);
                self.block(id, reference, data, now);
            }
            SourceEvent::Rejected { reference } => self.rejected(id, reference, now),
        }
    }

    fn bytes(&mut self, id: SourceId, count: u64, now: Instant) {
        self.board.received(count, now);
        if count > 0 {
            self.roster.gave(id, count, now);
        }
        if let Stage::Fetching(fetching) = &mut self.stage {
            fetching.swarm.bytes_arrived(id, count, now);
        }
    }

    fn block(&mut self, id: SourceId, reference: BlockRef, data: Buffer, now: Instant) {
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        if !fetching.swarm.knows(id) {
            self.prove(id, reference, data);
            return;
        }
        let BlockRef { piece, begin, length, .. } = reference;
        if let Ok(block) = fetching.manifest.geometry().block(piece, begin, length)
            && fetching.swarm.block_arrived(id, block, now)
        {
            fetching.assembly.put(block, data);
        }
    }

    fn rejected(&mut self, id: SourceId, reference: BlockRef, now: Instant) {
        let BlockRef { piece, begin, length, .. } = reference;
        if let Stage::Fetching(fetching) = &mut self.stage
            && let Ok(block) = fetching.manifest.geometry().block(piece, begin, length)
        {
            fetching.swarm.block_rejected(id, block, now);
        }
        // One that lets us wait now turns down what it had not sent yet, and may be asked again.
        let is_choked = self.roster.get(id).is_some_and(|peer| peer.standing.is_choked());
        if self.rivals.rejected(id, piece) && !is_choked {
            self.part_with(id, "it turned down the piece that proves its manifest", Some(AFTER_REFUSAL));
        }
    }

    /// Takes in our position in a source's queue, or that it serves us.
    fn choked(&mut self, id: SourceId, position: Option<QueuePosition>, now: Instant) {
        let Some(peer) = self.roster.get_mut(id) else { return };
        peer.standing.changed(position, now);
        if let Stage::Fetching(fetching) = &mut self.stage {
            match position {
                Some(_) => fetching.swarm.source_choked(id),
                None => fetching.swarm.source_unchoked(id),
            }
        }
    }

    fn has(&mut self, id: SourceId, piece: u32) {
        // It takes part later perhaps: a manifest may still be on its way, or the part file be checked.
        self.roster.gained(id, piece);
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        if !fetching.swarm.knows(id) {
            return;
        }
        match fetching.manifest.geometry().piece(piece) {
            Some(piece) => fetching.swarm.source_has(id, piece),
            None => self.part_with(id, "it claims a piece that does not exist", None),
        }
    }

    fn offered(&mut self, id: SourceId, offer: Offer, pieces: Option<Vec<u8>>) {
        if self.wanted.size.is_some_and(|size| size != offer.size) {
            self.part_with(id, "it says that the file has another size", None);
            return;
        }
        let Some(peer) = self.roster.get_mut(id) else { return };
        if peer.offer.replace((offer, pieces)).is_some() {
            self.part_with(id, "it offered the same file twice", None);
            return;
        }
        self.join_swarm(id);
    }

    /// Lets a source take part if it offers what the others offer.
    pub(super) fn join_swarm(&mut self, id: SourceId) {
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        let Some(peer) = self.roster.get(id) else { return };
        let Some((offer, pieces)) = peer.offer.clone() else { return };
        let is_choked = peer.standing.is_choked();
        if offer != fetching.offer {
            return;
        }
        let have = match pieces {
            None => Ok(Have::All),
            Some(bytes) => Bitfield::from_bytes(fetching.manifest.geometry(), bytes).map(Have::Some),
        };
        match have {
            Ok(have) => {
                fetching.swarm.source_joined(id, have, is_choked, Instant::now());
                self.measure();
            }
            Err(error) => self.part_with(id, &error.to_string(), None),
        }
    }

    /// Passes on what is known of the paths to the sources.
    pub(super) fn measure(&mut self) {
        let Stage::Fetching(fetching) = &mut self.stage else { return };
        for (id, rtt, connections) in self.roster.paths() {
            fetching.swarm.source_measured(id, rtt, connections);
        }
    }

    /// Leaves a source, for some time or for good.
    pub(super) fn part_with(&mut self, id: SourceId, why: &str, again_in: Option<Duration>) {
        if let Some(peer) = self.roster.get(id) {
            tracing::info!(address = %peer.address, why, "source left");
        }
        self.roster.leave(id, why, again_in, Instant::now());
        if let Stage::Fetching(fetching) = &mut self.stage {
            fetching.swarm.source_lost(id);
        }
    }
}
