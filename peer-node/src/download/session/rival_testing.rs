//! Tests sources with rival offers: carries out the decisions of [`RivalManifests`](crate::download::rivals::RivalManifests).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use protocol::manifest::Manifest;
use protocol::peer::BlockRef;

use super::source_events::REFUSAL_RETRY_DELAY;
use super::{DownloadJobOutcome, DownloadSession, DownloadStage, disk_jobs};
use crate::download::manifest_fetch::{ContentOffer, ManifestFetchError};
use crate::download::rivals::{CurrentManifest, RivalAction, RivalSource};
use crate::download::sources::EarlyManifest;
use crate::transport::Buffer;
use crate::view::DownloadState;
use swarm::SourceId;

/// Ban reason for sources of a refuted manifest.
const FORGED_MANIFEST: &str = "it offered a forged manifest";

impl DownloadSession {
    /// Returns the current offer during the fetching stage.
    pub(super) fn current_offer(&self) -> Option<ContentOffer> {
        if let DownloadStage::Fetching(fetching) = &self.stage { Some(fetching.offer) } else { None }
    }

    /// Tests offers that differ from the current one.
    pub(super) fn test_rivals(&mut self) {
        let now = Instant::now();
        while let Some(action) = self.next_rival_action(now) {
            match action {
                RivalAction::RequestManifest { source, first, count } => {
                    if let Err(error) = self.request_rival_manifest(source, first, count, now) {
                        self.disconnect(source, &error.to_string(), None);
                    }
                }
                RivalAction::Prioritise { piece } => {
                    if let DownloadStage::Fetching(fetching) = &mut self.stage {
                        fetching.pieces.swarm_mut().prioritise(piece);
                    }
                }
                RivalAction::RequestPiece { source, blocks } => {
                    if let Some(peer) = self.sources.get(source) {
                        for block in blocks {
                            peer.channel.request(block);
                        }
                    }
                }
                RivalAction::Disconnect { source, reason } => {
                    self.disconnect(source, reason, Some(REFUSAL_RETRY_DELAY));
                }
                RivalAction::Ban { source } => self.disconnect(source, FORGED_MANIFEST, None),
                RivalAction::Adopt { manifest } => return self.adopt_manifest(manifest),
            }
        }
    }

    fn next_rival_action(&mut self, now: Instant) -> Option<RivalAction> {
        let DownloadStage::Fetching(fetching) = &self.stage else { return None };
        let others = self.sources.rival_offers(fetching.offer);
        let candidates: BTreeMap<SourceId, RivalSource<'_>> = others.collect();
        if candidates.is_empty() {
            return None;
        }
        let current = CurrentManifest { manifest: &fetching.manifest, have: &fetching.have };
        self.rivals.poll(&candidates, current, now)
    }

    /// Requests a source's manifest, unless it was requested when the source was dialled.
    fn request_rival_manifest(
        &mut self,
        source: SourceId,
        first: u32,
        count: u32,
        now: Instant,
    ) -> Result<(), ManifestFetchError> {
        let Some(peer) = self.sources.get_mut(source) else { return Ok(()) };
        match peer.early_manifest.take_states() {
            Some(states) => self.rival_manifest_part_received(source, 0, &states, now),
            None if matches!(peer.early_manifest, EarlyManifest::Pending) => Ok(()),
            None => {
                peer.channel.want_manifest(first, count);
                Ok(())
            }
        }
    }

    /// Adds states of a rival's manifest and requests the missing ones.
    pub(super) fn rival_manifest_part_received(
        &mut self,
        source: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), ManifestFetchError> {
        if let Some(peer) = self.sources.get_mut(source) {
            peer.early_manifest = EarlyManifest::NotRequested;
        }
        self.rivals.add_manifest_part(source, first, states, now)?;
        if let Some((first, count)) = self.rivals.wanted_states(source)
            && let Some(peer) = self.sources.get(source)
        {
            peer.channel.want_manifest(first, count);
        }
        Ok(())
    }

    /// Adds a block of a piece that tests a manifest, and has the piece verified once it is complete.
    pub(super) fn proof_block_received(&mut self, source: SourceId, reference: BlockRef, data: Buffer) {
        let Some(evidence) = self.rivals.add_block(source, reference, data) else { return };
        self.jobs.spawn_blocking(move || {
            let parts = evidence.data.iter().map(Buffer::bytes);
            let is_valid = evidence.manifest.verify_piece(evidence.piece, parts);
            DownloadJobOutcome::RivalTested { offer: evidence.offer, source: evidence.source, is_valid }
        });
    }

    /// Handles the test result of a rival offer. An invalid piece proves nothing about other sources of the same offer.
    pub(super) fn rival_tested(&mut self, offer: ContentOffer, source: SourceId, is_valid: bool) {
        self.rivals.piece_verified(offer, is_valid);
        if !is_valid {
            self.disconnect(source, "it sent wrong bytes", None);
        }
    }

    /// Replaces the current manifest by a proven one and bans the sources of the old one.
    fn adopt_manifest(&mut self, manifest: Arc<Manifest>) {
        let DownloadStage::Fetching(fetching) = &self.stage else { return };
        let refuted = fetching.offer;
        if let Some(piece) = manifest.last_disputed_piece(&fetching.manifest) {
            self.rivals.refute_by(&manifest, piece);
        }
        self.rivals.refute(refuted);
        for (id, _) in self.sources.offers().into_iter().filter(|(_, offer)| *offer == refuted) {
            self.disconnect(id, FORGED_MANIFEST, None);
        }
        // The new manifest verifies the recorded pieces again.
        self.write_record();
        if self.has_jobs() {
            return;
        }
        tracing::warn!("manifest refuted: a rival manifest was proven");
        self.rivals.reset();
        self.open_part_file(manifest);
    }

    /// Opens the part file and verifies its data with a manifest.
    pub(super) fn open_part_file(&mut self, manifest: Arc<Manifest>) {
        let (destination, cancel) = (self.destination(), self.cancel.clone());
        // Dropping the old stage closes its part file first.
        self.stage = DownloadStage::Preparing;
        self.jobs.spawn_blocking(move || disk_jobs::open_and_verify(&destination, manifest, &cancel));
        self.publisher.set_state(DownloadState::Verifying);
    }
}
