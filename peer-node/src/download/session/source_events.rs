//! Handles events from sources.

use std::time::{Duration, Instant};

use protocol::bitfield::Bitfield;
use protocol::peer::BlockRef;

use super::{BACKLOG, DownloadInbox, DownloadSession, DownloadStage};
use crate::download::manifest_fetch::ContentOffer;
use crate::download::sources::EarlyManifest;
use crate::native::{QueuePosition, SourceEvent};
use crate::transport::Buffer;
use swarm::{Have, SourceId};

/// Delay before a disconnected source is retried, by reason.
pub(super) const LOSS_RETRY_DELAY: Duration = Duration::from_secs(3);
pub(super) const REFUSAL_RETRY_DELAY: Duration = Duration::from_secs(30);

impl DownloadSession {
    /// Handles an event and those queued with it. Events that arrive in the meantime wait, or this could go on forever.
    pub(super) fn handle_events(&mut self, source: SourceId, event: SourceEvent, inbox: &mut DownloadInbox) {
        self.handle_event(source, event);
        self.handle_pending_events(inbox);
    }

    /// Handles the queued events.
    pub(super) fn handle_pending_events(&mut self, inbox: &mut DownloadInbox) {
        for _ in 0..BACKLOG {
            let Ok((source, event)) = inbox.events.try_recv() else { break };
            self.handle_event(source, event);
        }
    }

    fn handle_event(&mut self, id: SourceId, event: SourceEvent) {
        let now = Instant::now();
        // Announced pieces do not count as useful: a source could announce them forever.
        if matches!(
            event,
            SourceEvent::Offered { .. }
                | SourceEvent::ManifestPart { .. }
                | SourceEvent::Bytes { .. }
                | SourceEvent::Block { .. }
        ) {
            self.search.last_useful_at = now;
        }
        match event {
            SourceEvent::Opened { channel, with_manifest } => {
                // The channel of a source that is already connected is dropped and thereby closed.
                if !self.sources.is_connected(channel.link().node()) {
                    let early =
                        if with_manifest { EarlyManifest::Pending } else { EarlyManifest::NotRequested };
                    self.sources.add(id, channel, early);
                }
            }
            SourceEvent::Choked { position } => self.choke_changed(id, Some(position), now),
            SourceEvent::Unchoked => self.choke_changed(id, None, now),
            SourceEvent::Offered { size, manifest, pieces, choked } => {
                if let Some(peer) = self.sources.get_mut(id) {
                    peer.choke_status.offer_received(choked, now);
                }
                self.offer_received(id, ContentOffer { size, manifest }, pieces);
            }
            SourceEvent::NotShared => {
                self.disconnect(id, "it no longer shares the file", Some(REFUSAL_RETRY_DELAY));
            }
            SourceEvent::Disconnected { reason } => {
                self.disconnect(id, &reason, Some(LOSS_RETRY_DELAY));
                self.search.next_round = self.search.next_round.min(now + LOSS_RETRY_DELAY);
            }
            SourceEvent::ManifestPart { first, states } => {
                if let Err(error) = self.manifest_part_received(id, first, &states, now) {
                    self.disconnect(id, &error.to_string(), None);
                }
            }
            SourceEvent::Details { files } => self.source_attributes.add(files),
            SourceEvent::Has { piece } => self.piece_announced(id, piece),
            SourceEvent::Bytes { count } => self.add_received(id, count, now),
            SourceEvent::Block { reference, data, count } => {
                self.add_received(id, count, now);
                self.add_block(id, reference, data, now);
            }
            SourceEvent::Rejected { reference } => self.block_rejected(id, reference, now),
        }
    }

    fn add_received(&mut self, id: SourceId, count: u64, now: Instant) {
        self.publisher.received(count, now);
        if count > 0 {
            self.sources.data_received(id, count, now);
        }
        if let DownloadStage::Fetching(fetching) = &mut self.stage {
            fetching.pieces.swarm_mut().bytes_arrived(id, count, now);
        }
    }

    fn add_block(&mut self, id: SourceId, reference: BlockRef, data: Buffer, now: Instant) {
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return };
        if !fetching.pieces.swarm().has_source(id) {
            self.proof_block_received(id, reference, data);
            return;
        }
        let BlockRef { piece, begin, length, .. } = reference;
        if let Ok(block) = fetching.manifest.geometry().block(piece, begin, length) {
            fetching.pieces.add_block(id, block, data, now);
        }
    }

    fn block_rejected(&mut self, id: SourceId, reference: BlockRef, now: Instant) {
        let BlockRef { piece, begin, length, .. } = reference;
        if let DownloadStage::Fetching(fetching) = &mut self.stage
            && let Ok(block) = fetching.manifest.geometry().block(piece, begin, length)
        {
            fetching.pieces.swarm_mut().block_rejected(id, block, now);
        }
        // A choking source rejects the requests it has not answered, and may be asked again later.
        let is_choked = self.sources.get(id).is_some_and(|peer| peer.choke_status.is_choked());
        if self.rivals.block_rejected(id, piece) && !is_choked {
            self.disconnect(
                id,
                "it rejected the piece that would prove its manifest",
                Some(REFUSAL_RETRY_DELAY),
            );
        }
    }

    /// Handles our new position in a source's queue; `None` means that the source serves us.
    fn choke_changed(&mut self, id: SourceId, position: Option<QueuePosition>, now: Instant) {
        let Some(peer) = self.sources.get_mut(id) else { return };
        peer.choke_status.position_changed(position, now);
        if let DownloadStage::Fetching(fetching) = &mut self.stage {
            match position {
                Some(_) => fetching.pieces.swarm_mut().source_choked(id),
                None => fetching.pieces.swarm_mut().source_unchoked(id),
            }
        }
    }

    fn piece_announced(&mut self, id: SourceId, piece: u32) {
        // The source may take part later: its manifest may still be arriving, or the part file being verified.
        self.sources.piece_gained(id, piece);
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return };
        if !fetching.pieces.swarm().has_source(id) {
            return;
        }
        match fetching.manifest.geometry().piece(piece) {
            Some(piece) => fetching.pieces.swarm_mut().source_has(id, piece),
            None => self.disconnect(id, "it claims a piece that does not exist", None),
        }
    }

    fn offer_received(&mut self, id: SourceId, offer: ContentOffer, pieces: Option<Vec<u8>>) {
        if self.wanted.size.is_some_and(|size| size != offer.size) {
            self.disconnect(id, "it reports another file size", None);
            return;
        }
        let Some(peer) = self.sources.get_mut(id) else { return };
        if peer.offer.replace((offer, pieces)).is_some() {
            self.disconnect(id, "it offered the same file twice", None);
            return;
        }
        self.join_swarm(id);
    }

    /// Adds a source to the swarm if it makes the current offer.
    pub(super) fn join_swarm(&mut self, id: SourceId) {
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return };
        let Some(peer) = self.sources.get(id) else { return };
        let Some((offer, pieces)) = peer.offer.clone() else { return };
        let is_choked = peer.choke_status.is_choked();
        if offer != fetching.offer {
            return;
        }
        let have = match pieces {
            None => Ok(Have::All),
            Some(bytes) => Bitfield::from_bytes(fetching.manifest.geometry(), bytes).map(Have::Some),
        };
        match have {
            Ok(have) => {
                fetching.pieces.swarm_mut().source_joined(id, have, is_choked, Instant::now());
                self.report_paths();
            }
            Err(error) => self.disconnect(id, &error.to_string(), None),
        }
    }

    /// Passes the measured round-trip times of the sources to the engine.
    pub(super) fn report_paths(&mut self) {
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return };
        for (id, rtt, connections) in self.sources.paths() {
            fetching.pieces.swarm_mut().source_measured(id, rtt, connections);
        }
    }

    /// Disconnects a source. It may be retried after `again_in`; `None` bans it.
    pub(super) fn disconnect(&mut self, id: SourceId, why: &str, again_in: Option<Duration>) {
        if let Some(peer) = self.sources.get(id) {
            tracing::info!(address = %peer.address, why, "source disconnected");
        }
        self.sources.disconnect(id, why, again_in, Instant::now());
        if let DownloadStage::Fetching(fetching) = &mut self.stage {
            fetching.pieces.swarm_mut().source_lost(id);
        }
    }
}
