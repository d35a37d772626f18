//! The fetching stage: pieces on their way to the part file.

use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::limits::{MAX_BLOCK, MAX_REQUESTS};
use protocol::manifest::Manifest;

use super::sharing::Sharing;
use super::{
    DownloadJobOutcome, DownloadSession, DownloadSessionError, DownloadStage, PartFile, PartFileError,
};
use crate::download::disk_jobs::DownloadStore;
use crate::download::manifest_fetch::ContentOffer;
use crate::transfer::driver::{PieceDriver, PieceVerdict};
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::verification_queue::VerificationQueue;
use crate::view::{ContentId, DownloadState};
use swarm::{OverduePolicy, PieceOrder, Swarm, SwarmConfig};

/// Maximum bytes of unfinished pieces per download: enough to keep four fast sources and two cores busy.
const MAX_UNFINISHED_BYTES: u64 = 24 << 20;

/// Minimum length of a requested block. Shorter blocks cost more messages and do not help with slow sources.
const MIN_BLOCK: u32 = 64 << 10;

/// Maximum number of pieces requested from untested sources, which have not sent a valid piece yet.
const MAX_ON_TRIAL: u32 = 8;

/// State of the fetching stage.
#[derive(Debug)]
pub(super) struct FetchState {
    pub(super) pieces: PieceDriver<DownloadStore>,
    pub(super) offer: ContentOffer,
    pub(super) manifest: Arc<Manifest>,
    pub(super) part: Arc<PartFile>,
    pub(super) sharing: Option<Sharing>,
    pub(super) have: Bitfield,
}

impl DownloadSession {
    /// Returns true while disk jobs are running.
    pub(super) fn has_jobs(&self) -> bool {
        let is_settled =
            !matches!(&self.stage, DownloadStage::Fetching(fetching) if !fetching.pieces.is_settled());
        !self.jobs.is_empty() || !is_settled
    }

    pub(super) fn handle_job(&mut self, done: DownloadJobOutcome) -> Result<(), DownloadSessionError> {
        match done {
            DownloadJobOutcome::Prepared { .. } if self.cancel.is_cancelled() => {
                return Err(DownloadSessionError::Cancelled);
            }
            DownloadJobOutcome::Prepared { manifest, outcome } => match outcome {
                Ok((part, have)) => self.begin_fetching(manifest, part, have),
                // The size is known only from sources, which may lie. Sources that claim this size are disconnected.
                Err(error @ PartFileError::NoSpace { .. }) if self.wanted.size.is_none() => {
                    self.disconnect_all_with_size(manifest.geometry().size(), &error.to_string());
                }
                Err(error) => return Err(error.into()),
            },
            DownloadJobOutcome::RivalTested { offer, source, is_valid } => {
                self.rival_tested(offer, source, is_valid);
            }
        }
        Ok(())
    }

    /// Disconnects the sources that claim this size.
    fn disconnect_all_with_size(&mut self, size: u64, why: &str) {
        self.stage = DownloadStage::ChoosingManifest(None);
        self.rivals.reset();
        let offers = self.sources.offers();
        for (id, _) in offers.iter().filter(|(_, offer)| offer.size == size) {
            self.disconnect(*id, why, None);
        }
    }

    fn begin_fetching(&mut self, manifest: Arc<Manifest>, part: PartFile, have: Bitfield) {
        let geometry = *manifest.geometry();
        let offer = ContentOffer { size: geometry.size(), manifest: manifest.id() };
        let part = Arc::new(part);
        let store = DownloadStore { manifest: Arc::clone(&manifest), part: Arc::clone(&part) };
        let pieces = PieceDriver::new(
            new_swarm(geometry, &have),
            new_queue(&geometry),
            Arc::new(store),
            Instant::now(),
        );
        let DownloadSession { config, .. } = &*self;
        let sharing = Sharing::begin(&config.partials, &config.root, &manifest, &part, &have);
        let fetching = FetchState { pieces, offer, manifest, part, sharing, have };
        self.stage = DownloadStage::Fetching(Box::new(fetching));
        self.publisher.set_state(DownloadState::Fetching);
        // The sources were idle while the part file was verified.
        self.search.last_useful_at = Instant::now();
        for id in self.sources.offers().into_keys() {
            self.join_swarm(id);
        }
    }

    /// Handles the verification result of a piece.
    pub(super) fn piece_checked(&mut self, piece: PieceIndex, verdict: PieceVerdict) {
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return };
        match verdict {
            PieceVerdict::Stored => {
                tracing::debug!(piece = piece.get(), "piece verified");
                fetching.add_piece(piece);
                self.sources.reset_failures();
            }
            PieceVerdict::Wrong { culprit } => {
                let culprit = culprit.and_then(|id| self.sources.get(id));
                if let Some(peer) = culprit {
                    peer.channel.report_wrong(piece);
                }
                let culprit = culprit.map(|peer| peer.address);
                tracing::warn!(piece = piece.get(), ?culprit, "piece failed its check");
            }
        }
    }

    /// Starts writing the record if there are new pieces.
    pub(super) fn write_record(&mut self) {
        if let DownloadStage::Fetching(fetching) = &mut self.stage {
            fetching.pieces.start_record(fetching.have.clone(), Instant::now());
        }
    }

    /// Updates the view with the progress of the download.
    pub(super) fn update_view(&self) {
        let now = Instant::now();
        let (roster, uploads) = (&self.sources, self.config.transport.uploads());
        let fetching = match &self.stage {
            DownloadStage::Fetching(fetching) => Some(fetching),
            _ => None,
        };
        let rate_up = uploads.rate_of(ContentId::File(self.wanted.digest));
        if let Some(fetching) = fetching {
            fetching.part.keep_cached(rate_up > 0.0);
        }
        self.publisher.update(|view| {
            view.rate_up = rate_up;
            view.sources_known = roster.known_count();
            view.queued_at = roster.queued_at();
            let Some(fetching) = fetching else {
                view.sources = roster.source_views(|_| 0.0);
                return;
            };
            let geometry = fetching.manifest.geometry();
            view.size = Some(geometry.size());
            view.pieces = geometry.piece_count();
            view.pieces_done = fetching.pieces.swarm().pieces_done();
            view.bytes_done = verified_bytes(&fetching.have, &fetching.manifest);
            view.sources_active = fetching.pieces.swarm().active_sources();
            view.sources = roster.source_views(|id| {
                fetching.pieces.swarm().source_traffic(id, now).map_or(0.0, |(_, rate)| rate)
            });
        });
    }

    /// Completes the stage once all pieces are verified and written.
    pub(super) async fn finish(&mut self) -> Result<DownloadState, DownloadSessionError> {
        debug_assert!(
            matches!(&self.stage, DownloadStage::Fetching(fetching) if fetching.manifest.geometry().piece_count() > 0)
        );
        while self.jobs.join_next().await.is_some() {}
        self.update_view();
        self.sources.disconnect_all();
        let stage = std::mem::replace(&mut self.stage, DownloadStage::ChoosingManifest(None));
        let DownloadStage::Fetching(fetching) = stage else {
            return Err(DownloadSessionError::Internal("nothing was fetched"));
        };
        // The partial file stays shared until the library shares the complete file.
        let FetchState { manifest, part, sharing: _sharing, mut pieces, .. } = *fetching;
        pieces.settle().await;
        drop(pieces);
        match Arc::into_inner(part) {
            Some(part) => self.finalize(part, manifest).await,
            None => Err(DownloadSessionError::Internal("the part file is still in use")),
        }
    }

    /// Disconnects all sources, waits for running writes and writes the record.
    pub(super) async fn disconnect_all(&mut self) {
        self.sources.disconnect_all();
        self.search.rounds.shutdown().await;
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return };
        // Pieces that could not be written do not enter the record.
        for piece in fetching.pieces.settle().await {
            fetching.add_piece(piece);
            self.sources.reset_failures();
        }
        while self.jobs.join_next().await.is_some() {}
        fetching.pieces.write_last_record(fetching.have.clone(), Instant::now()).await;
    }

    /// Disconnects all sources and waits for all jobs before the task ends.
    pub(super) async fn shut_down(&mut self) {
        self.disconnect_all().await;
        while self.jobs.join_next().await.is_some() {}
    }
}

impl FetchState {
    /// Discards unverified data and all sources, so that missing pieces are fetched again.
    pub(super) fn restart(&mut self) {
        let geometry = *self.manifest.geometry();
        self.pieces.restart(new_swarm(geometry, &self.have), new_queue(&geometry));
    }

    /// Marks a piece as verified and stored, and shares it.
    fn add_piece(&mut self, piece: PieceIndex) {
        let is_new = self.have.insert(piece);
        debug_assert!(is_new, "a piece was stored twice");
        if let Some(sharing) = &self.sharing {
            sharing.publication.add_piece(piece);
        }
    }
}

fn new_queue(geometry: &Geometry) -> VerificationQueue {
    VerificationQueue::new(geometry.piece_length())
}

fn new_swarm(geometry: Geometry, have: &Bitfield) -> Swarm {
    let config = SwarmConfig {
        block_length: MAX_BLOCK,
        min_block: MIN_BLOCK,
        max_requests: MAX_REQUESTS,
        budget: MAX_UNFINISHED_BYTES,
        max_on_trial: Some(MAX_ON_TRIAL),
        order: PieceOrder::Rarest,
        overdue: OverduePolicy::Duplicate,
        seed: fresh_seed(),
    };
    Swarm::new(geometry, config, Instant::now(), |piece| have.has(piece))
}

fn verified_bytes(have: &Bitfield, manifest: &Manifest) -> u64 {
    let geometry = manifest.geometry();
    let full = u64::from(have.count()) * u64::from(geometry.piece_length());
    // The last piece may be shorter than the others.
    let short = geometry.last_piece().filter(|last| have.has(*last));
    let missing = short.map_or(0, |last| geometry.piece_length() - geometry.length_of(last));
    full - u64::from(missing)
}
