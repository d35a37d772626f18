//! What becomes of sources that do not offer what is believed: carries out what [`Rivals`](crate::download::rivals::Rivals) decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use protocol::manifest::Manifest;
use protocol::peer::BlockRef;

use super::hearing::AFTER_REFUSAL;
use super::{Done, Session, Stage, storing};
use crate::download::manifest_choice::{NoManifest, Offer};
use crate::download::rivals::{Believed, Candidate, Step};
use crate::download::roster::EarlyManifest;
use crate::swarm::SourceId;
use crate::transfers::DownloadState;
use crate::transport::Buffer;

/// Why a source is banned.
const FORGED: &str = "it offered a forged manifest";

impl Session {
    /// Returns the offer that is believed while pieces come in.
    pub(super) fn believed(&self) -> Option<Offer> {
        if let Stage::Fetching(fetching) = &self.stage { Some(fetching.offer) } else { None }
    }

    /// Puts to the test what sources offer beside what is believed.
    pub(super) fn test_rivals(&mut self) {
        let now = Instant::now();
        while let Some(step) = self.next_step(now) {
            match step {
                Step::WantManifest { source, first, count } => {
                    if let Err(error) = self.want_rival_manifest(source, first, count, now) {
                        self.part_with(source, &error.to_string(), None);
                    }
                }
                Step::Hurry { piece } => {
                    if let Stage::Fetching(fetching) = &mut self.stage {
                        fetching.swarm.hurry(piece);
                    }
                }
                Step::Request { source, blocks } => {
                    if let Some(peer) = self.roster.get(source) {
                        for block in blocks {
                            peer.channel.request(block);
                        }
                    }
                }
                Step::Leave { source, why } => self.part_with(source, why, Some(AFTER_REFUSAL)),
                Step::Ban { source } => self.part_with(source, FORGED, None),
                Step::Believe { manifest } => return self.believe(manifest),
            }
        }
    }

    fn next_step(&mut self, now: Instant) -> Option<Step> {
        let Stage::Fetching(fetching) = &self.stage else { return None };
        let others = self.roster.offers_besides(fetching.offer);
        let candidates: BTreeMap<SourceId, Candidate<'_>> = others.collect();
        if candidates.is_empty() {
            return None;
        }
        let believed = Believed { manifest: &fetching.manifest, here: &fetching.here };
        self.rivals.poll(&candidates, believed, now)
    }

    /// Asks a source for its manifest, unless that was done when it was dialled.
    fn want_rival_manifest(
        &mut self,
        source: SourceId,
        first: u32,
        count: u32,
        now: Instant,
    ) -> Result<(), NoManifest> {
        let Some(peer) = self.roster.get_mut(source) else { return Ok(()) };
        match peer.early_manifest.take_states() {
            Some(states) => self.rival_manifest_part(source, 0, &states, now),
            None if matches!(peer.early_manifest, EarlyManifest::UnderWay) => Ok(()),
            None => {
                peer.channel.want_manifest(first, count);
                Ok(())
            }
        }
    }

    /// Takes in states of a rival's manifest, and asks for those that are still missing.
    pub(super) fn rival_manifest_part(
        &mut self,
        source: SourceId,
        first: u32,
        states: &[[u8; 32]],
        now: Instant,
    ) -> Result<(), NoManifest> {
        if let Some(peer) = self.roster.get_mut(source) {
            peer.early_manifest = EarlyManifest::NotAsked;
        }
        self.rivals.manifest_part(source, first, states, now)?;
        if let Some((first, count)) = self.rivals.wanted_states(source)
            && let Some(peer) = self.roster.get(source)
        {
            peer.channel.want_manifest(first, count);
        }
        Ok(())
    }

    /// Takes in a block of a piece that is to prove a manifest, and has the piece verified once it is whole.
    pub(super) fn prove(&mut self, source: SourceId, reference: BlockRef, data: Buffer) {
        let Some(evidence) = self.rivals.block(source, reference, data) else { return };
        self.jobs.spawn_blocking(move || {
            let parts = evidence.data.iter().map(Buffer::bytes);
            let is_right = evidence.manifest.is_piece(evidence.piece, parts);
            Done::Tested { offer: evidence.offer, source: evidence.source, is_right }
        });
    }

    /// Takes in whether a piece proves the manifest of an offer. A wrong one says nothing of the others who make that offer.
    pub(super) fn tested(&mut self, offer: Offer, source: SourceId, is_right: bool) {
        self.rivals.verified(offer, is_right);
        if !is_right {
            self.part_with(source, "it sent wrong bytes", None);
        }
    }

    /// Believes a manifest that was proved instead of the present one, whose sources are banned.
    fn believe(&mut self, manifest: Arc<Manifest>) {
        let Stage::Fetching(fetching) = &self.stage else { return };
        let refuted = fetching.offer;
        if let Some(piece) = manifest.deciding_piece(&fetching.manifest) {
            self.rivals.refute_beside(&manifest, piece);
        }
        self.rivals.refute(refuted);
        for (id, _) in self.roster.offers().into_iter().filter(|(_, offer)| *offer == refuted) {
            self.part_with(id, FORGED, None);
        }
        // What is verified so far is looked into again with the new one.
        self.note();
        if !self.jobs.is_empty() {
            return;
        }
        tracing::warn!("manifest refuted: another one was proved");
        self.rivals.begin_anew();
        self.prepare(manifest);
    }

    /// Opens the part file, and verifies what is in it by a manifest.
    pub(super) fn prepare(&mut self, manifest: Arc<Manifest>) {
        let (destination, cancel) = (self.destination(), self.cancel.clone());
        // The part file that was open until now is closed first.
        self.stage = Stage::Preparing;
        self.jobs.spawn_blocking(move || storing::prepare(&destination, manifest, &cancel));
        self.board.set_state(DownloadState::Checking);
    }
}
