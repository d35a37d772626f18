//! What becomes of sources that do not offer what is believed: carries out what [`RivalManifests`](crate::download::rivals::Rivals) decides.

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

/// Why a source is banned.
const FORGED_MANIFEST: &str = "it offered a forged manifest";

impl DownloadSession {
    /// Returns the offer that is believed while pieces come in.
    pub(super) fn current_offer(&self) -> Option<ContentOffer> {
        if let DownloadStage::Fetching(fetching) = &self.stage { Some(fetching.offer) } else { None }
    }

    /// Puts to the test what sources offer beside what is believed.
    pub(super) fn test_rivals(&mut self) {
        let now = Instant::now();
        while let Some(step) = self.next_rival_action(now) {
            match step {
                RivalAction::RequestManifest { source, first, count } => {
                    if let Err(error) = self.request_rival_manifest(source, first, count, now) {
                        self.disconnect(source, &error.to_string(), None);
                    }
                }
                RivalAction::Prioritise { piece } => {
                    if let DownloadStage::Fetching(fetching) = &mut self.stage {
                        fetching.swarm.prioritise(piece);
                    }
                }
                RivalAction::RequestPiece { source, blocks } => {
                    if let Some(peer) = self.sources.get(source) {
                        for block in blocks {
                            peer.channel.request(block);
                        }
                    }
                }
                RivalAction::Disconnect { source, reason: why } => {
                    self.disconnect(source, why, Some(REFUSAL_RETRY_DELAY))
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
        let believed = CurrentManifest { manifest: &fetching.manifest, have: &fetching.have };
        self.rivals.poll(&candidates, believed, now)
    }

    /// Asks a source for its manifest, unless that was done when it was dialled.
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

    /// Takes in states of a rival's manifest, and asks for those that are still missing.
    pub(super) fn rival_manifest_part_received(
        &mut self,
        source: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), ManifestFetchError> {
        if let Some(peer) = self.sources.get_mut(source) {
            peer.early_manifest = EarlyManifest::NotAsked;
        }
        self.rivals.add_manifest_part(source, first, states, now)?;
        if let Some((first, count)) = self.rivals.wanted_states(source)
            && let Some(peer) = self.sources.get(source)
        {
            peer.channel.want_manifest(first, count);
        }
        Ok(())
    }

    /// Takes in a block of a piece that is to prove a manifest, and has the piece verified once it is whole.
    pub(super) fn proof_block_received(&mut self, source: SourceId, reference: BlockRef, data: Buffer) {
        let Some(evidence) = self.rivals.add_block(source, reference, data) else { return };
        self.jobs.spawn_blocking(move || {
            let parts = evidence.data.iter().map(Buffer::bytes);
            let is_right = evidence.manifest.verify_piece(evidence.piece, parts);
            DownloadJobOutcome::RivalTested {
                offer: evidence.offer,
                source: evidence.source,
                is_valid: is_right,
            }
        });
    }

    /// Takes in whether a piece proves the manifest of an offer. A wrong one says nothing of the others who make that offer.
    pub(super) fn rival_tested(&mut self, offer: ContentOffer, source: SourceId, is_right: bool) {
        self.rivals.piece_verified(offer, is_right);
        if !is_right {
            self.disconnect(source, "it sent wrong bytes", None);
        }
    }

    /// Believes a manifest that was proved instead of the present one, whose sources are banned.
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
        // What is verified so far is looked into again with the new one.
        self.write_record();
        if !self.jobs.is_empty() {
            return;
        }
        tracing::warn!("manifest refuted: another one was proved");
        self.rivals.reset();
        self.open_part_file(manifest);
    }

    /// Opens the part file, and verifies what is in it by a manifest.
    pub(super) fn open_part_file(&mut self, manifest: Arc<Manifest>) {
        let (destination, cancel) = (self.destination(), self.cancel.clone());
        // The part file that was open until now is closed first.
        self.stage = DownloadStage::Preparing;
        self.jobs.spawn_blocking(move || disk_jobs::open_and_verify(&destination, manifest, &cancel));
        self.publisher.set_state(DownloadState::Verifying);
    }
}
