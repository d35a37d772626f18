//! The fetching stage: carries out the decisions of the swarm engine.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::limits::{MAX_BLOCK, MAX_REQUESTS};
use protocol::manifest::Manifest;

use super::sharing::Sharing;
use super::{
    DownloadJobOutcome, DownloadSession, DownloadSessionError, DownloadStage, PartFile, PartFileError,
    disk_jobs,
};
use crate::download::manifest_fetch::ContentOffer;
use crate::transfer::assembly::BlockAssembly;
use crate::transfer::fresh_seed::fresh_seed;
use crate::transfer::record_schedule::RecordSchedule;
use crate::transfer::verification::{PieceOutcome, verify_and_write};
use crate::transfer::verification_queue::VerificationQueue;
use crate::view::{ContentId, DownloadState};
use swarm::{DisconnectReason, OverduePolicy, PieceOrder, Swarm, SwarmAction, SwarmConfig};

/// Maximum bytes of unfinished pieces per download: enough to keep four fast sources and two cores busy.
const MAX_UNFINISHED_BYTES: u64 = 24 << 20;

/// Minimum length of a requested block. Shorter blocks cost more messages and do not help with slow sources.
const MIN_BLOCK: u32 = 64 << 10;

/// Maximum number of pieces requested from untested sources, which have not sent a valid piece yet.
const MAX_ON_TRIAL: u32 = 8;

/// State of the fetching stage.
#[derive(Debug)]
pub(super) struct FetchState {
    pub(super) swarm: Swarm,
    pub(super) offer: ContentOffer,
    pub(super) manifest: Arc<Manifest>,
    pub(super) part: Arc<PartFile>,
    pub(super) assembly: BlockAssembly,
    verification_queue: VerificationQueue,
    pub(super) sharing: Option<Sharing>,
    pub(super) have: Bitfield,
    pub(super) record_schedule: RecordSchedule,
}

impl DownloadSession {
    /// Carries out all pending actions of the engine.
    pub(super) fn run_actions(&mut self) {
        let now = Instant::now();
        while let DownloadStage::Fetching(fetching) = &mut self.stage {
            let Some(action) = fetching.swarm.poll(now) else { break };
            match action {
                SwarmAction::Request { source, block } => {
                    if let Some(peer) = self.sources.get(source) {
                        peer.channel.request(block);
                    }
                }
                SwarmAction::Cancel { source, block } => {
                    if let Some(peer) = self.sources.get(source) {
                        peer.channel.cancel(block);
                    }
                }
                SwarmAction::Verify { piece } => {
                    let data = fetching.assembly.take(piece);
                    fetching.verification_queue.push(piece, data);
                }
                SwarmAction::Interest { source, on } => {
                    if let Some(peer) = self.sources.get(source) {
                        peer.channel.set_interested(on);
                    }
                }
                SwarmAction::Drop { piece } => drop(fetching.assembly.take(piece)),
                SwarmAction::Disconnect { source, reason } => {
                    let again = match reason {
                        DisconnectReason::BadData => None,
                        DisconnectReason::Stalled | DisconnectReason::Refusing => Some(super::GRACE_PERIOD),
                    };
                    if let Some(peer) = self.sources.get(source) {
                        tracing::warn!(address = %peer.address, %reason, "source disconnected");
                    }
                    self.sources.disconnect(source, &reason.to_string(), again, now);
                }
            }
        }
        self.start_checks();
    }

    /// Starts verification jobs for assembled pieces, as far as the queue allows.
    fn start_checks(&mut self) {
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return };
        while let Some(pieces) = fetching.verification_queue.next_batch() {
            let (manifest, part) = (Arc::clone(&fetching.manifest), Arc::clone(&fetching.part));
            let store = Arc::new(disk_jobs::DownloadStore { manifest, part });
            self.jobs.spawn(async { DownloadJobOutcome::Checked(verify_and_write(pieces, store).await) });
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(&self.stage, DownloadStage::Fetching(fetching) if fetching.swarm.is_complete())
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
            DownloadJobOutcome::Checked(outcomes) => self.pieces_checked(outcomes)?,
            DownloadJobOutcome::RivalTested { offer, source, is_valid } => {
                self.rival_tested(offer, source, is_valid);
            }
            DownloadJobOutcome::RecordWritten(outcome) => {
                if let DownloadStage::Fetching(fetching) = &mut self.stage {
                    fetching.record_schedule.finished();
                    if let Err(error) = outcome {
                        let part = fetching.part.path().display();
                        tracing::warn!(%error, %part, "cannot write the record of a download");
                    }
                }
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
        let swarm = new_swarm(geometry, &have);
        let offer = ContentOffer { size: geometry.size(), manifest: manifest.id() };
        let (assembly, checks, part) =
            (BlockAssembly::default(), VerificationQueue::new(geometry.piece_length()), Arc::new(part));
        let DownloadSession { config, .. } = &*self;
        let sharing = Sharing::begin(&config.partials, &config.root, &manifest, &part, &have);
        let notes = RecordSchedule::new(Instant::now());
        let fetching = FetchState {
            swarm,
            offer,
            manifest,
            part,
            assembly,
            verification_queue: checks,
            sharing,
            have,
            record_schedule: notes,
        };
        self.stage = DownloadStage::Fetching(Box::new(fetching));
        self.publisher.set_state(DownloadState::Fetching);
        // The sources were idle while the part file was verified.
        self.search.last_useful_at = Instant::now();
        for id in self.sources.offers().into_keys() {
            self.join_swarm(id);
        }
    }

    fn pieces_checked(&mut self, outcomes: Vec<PieceOutcome>) -> Result<(), DownloadSessionError> {
        if let DownloadStage::Fetching(fetching) = &mut self.stage {
            fetching.verification_queue.job_finished();
        }
        // One piece that cannot be written must not discard the results of the others.
        let checked = outcomes.into_iter().map(|(piece, outcome)| self.piece_checked(piece, outcome));
        checked.fold(Ok(()), Result::and)
    }

    fn piece_checked(
        &mut self,
        piece: PieceIndex,
        outcome: io::Result<bool>,
    ) -> Result<(), DownloadSessionError> {
        let DownloadStage::Fetching(fetching) = &mut self.stage else { return Ok(()) };
        let good = outcome.map_err(|source| {
            let path = fetching.part.path().to_owned();
            DownloadSessionError::Write { path, source }
        })?;
        let culprit = fetching.swarm.piece_checked(piece, good);
        if good {
            tracing::debug!(piece = piece.get(), "piece verified");
            fetching.have.insert(piece);
            if let Some(sharing) = &fetching.sharing {
                sharing.publication.add_piece(piece);
            }
            fetching.record_schedule.add_verified(u64::from(fetching.manifest.geometry().length_of(piece)));
            self.sources.reset_failures();
        } else {
            let culprit = culprit.and_then(|id| self.sources.get(id));
            if let Some(peer) = culprit {
                peer.channel.report_wrong(piece);
            }
            let culprit = culprit.map(|peer| peer.address);
            tracing::warn!(piece = piece.get(), ?culprit, "piece failed its check");
        }
        Ok(())
    }

    /// Starts writing the record if it is far behind.
    pub(super) fn record_if_due(&mut self) {
        if matches!(&self.stage, DownloadStage::Fetching(fetching) if fetching.record_schedule.is_due(Instant::now()))
        {
            self.write_record();
        }
    }

    /// Starts writing the record if there are new pieces.
    pub(super) fn write_record(&mut self) {
        if let DownloadStage::Fetching(fetching) = &mut self.stage
            && fetching.record_schedule.begin(Instant::now())
        {
            let (part, have) = (Arc::clone(&fetching.part), fetching.have.clone());
            self.jobs.spawn_blocking(move || disk_jobs::write_record(&part, &have));
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
            view.pieces_done = fetching.swarm.pieces_done();
            view.bytes_done = verified_bytes(&fetching.have, &fetching.manifest);
            view.sources_active = fetching.swarm.active_sources();
            view.sources = roster
                .source_views(|id| fetching.swarm.source_traffic(id, now).map_or(0.0, |(_, rate)| rate));
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
        let FetchState { manifest, part, sharing: _sharing, .. } = *fetching;
        match Arc::into_inner(part) {
            Some(part) => self.finalize(part, manifest).await,
            None => Err(DownloadSessionError::Internal("the part file is still in use")),
        }
    }

    /// Disconnects all sources, waits for running writes and starts writing the record.
    pub(super) async fn disconnect_all(&mut self) {
        self.sources.disconnect_all();
        self.search.rounds.shutdown().await;
        while matches!(self.stage, DownloadStage::Fetching(_))
            && let Some(done) = self.jobs.join_next().await
        {
            match done {
                Ok(DownloadJobOutcome::Checked(outcomes)) => {
                    // Pieces that could not be written do not enter the record.
                    let stored = outcomes.into_iter().filter(|(_, outcome)| outcome.is_ok()).collect();
                    let _ = self.pieces_checked(stored);
                }
                Ok(noted @ DownloadJobOutcome::RecordWritten(_)) => drop(self.handle_job(noted)),
                _ => {}
            }
        }
        self.write_record();
    }

    /// Disconnects all sources and waits for all jobs before the task ends.
    pub(super) async fn shut_down(&mut self) {
        self.disconnect_all().await;
        while self.jobs.join_next().await.is_some() {}
    }
}

impl FetchState {
    /// Discards unverified data and all sources, so that missing pieces are fetched again.
    pub(super) fn reset(&mut self) {
        self.swarm = new_swarm(*self.manifest.geometry(), &self.have);
        self.assembly = BlockAssembly::default();
        self.verification_queue = VerificationQueue::new(self.manifest.geometry().piece_length());
    }
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
