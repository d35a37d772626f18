//! Executes the engine's actions; verifies and stores pieces.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use protocol::geometry::PieceIndex;

use super::active_swarm::{ActiveSwarm, TorrentPhase};
use super::{JobOutcome, TorrentSession, TorrentSessionError};
use crate::torrent::files::TorrentFiles;
use crate::torrent::peer_table::DisconnectKind;
use crate::transfer::record_schedule::RecordSchedule;
use crate::transfer::verification::verify_and_write;
use swarm::{DisconnectReason, SwarmAction};

impl TorrentSession {
    /// Executes all pending actions of the engine.
    pub(super) fn run_actions(&mut self, active: &mut ActiveSwarm) {
        let now = Instant::now();
        while let Some(action) = active.swarm.poll(now) {
            match action {
                SwarmAction::Request { source, block } => {
                    self.read_fragments(block.piece);
                    active.request(source, block);
                }
                SwarmAction::Cancel { source, block } => active.cancel(source, block),
                SwarmAction::Interest { source, on } => active.set_interested(source, on),
                SwarmAction::Verify { piece } => {
                    let data = active.assembly.take(piece);
                    active.verification_queue.push(piece, data);
                }
                SwarmAction::Drop { piece } => drop(active.assembly.take(piece)),
                SwarmAction::Disconnect { source, reason } => {
                    let kind = match reason {
                        DisconnectReason::BadData => DisconnectKind::Banned,
                        DisconnectReason::Stalled | DisconnectReason::Refusing => DisconnectKind::RetrySoon,
                    };
                    self.disconnect(active, source, &reason.to_string(), kind);
                }
            }
        }
        self.start_checks(active);
    }

    /// Starts verifying received pieces, within the queue's limits.
    fn start_checks(&mut self, active: &mut ActiveSwarm) {
        let Some(files) = self.storage.as_ref().and_then(|store| store.files.as_ref()) else { return };
        while let Some(pieces) = active.verification_queue.next_batch() {
            let files = Arc::clone(files);
            self.jobs.spawn(async { JobOutcome::Checked(verify_and_write(pieces, files).await) });
        }
    }

    /// Handles the result of a job.
    pub(super) fn handle_job(
        &mut self,
        job: JobOutcome,
        active: &mut ActiveSwarm,
    ) -> Result<(), TorrentSessionError> {
        match job {
            JobOutcome::Checked(outcomes) => {
                active.verification_queue.job_finished();
                let checked =
                    outcomes.into_iter().map(|(piece, outcome)| self.piece_checked(piece, outcome, active));
                // A failed write must not discard the other results.
                checked.fold(Ok(()), Result::and)?;
            }
            JobOutcome::RecordWritten(outcome) => {
                active.record_schedule.finished();
                warn_on_error(outcome);
            }
            JobOutcome::Finalized(outcome) => {
                outcome?;
                active.is_finalized = active.phase == TorrentPhase::Finishing && !self.share_finished_file();
            }
            JobOutcome::FragmentsRead(blocks) => self.fragments_read(blocks, active),
            JobOutcome::Shared(shared) => {
                self.handle_shared(shared);
                active.is_finalized = active.phase == TorrentPhase::Finishing;
            }
        }
        Ok(())
    }

    fn piece_checked(
        &mut self,
        piece: PieceIndex,
        outcome: io::Result<bool>,
        active: &mut ActiveSwarm,
    ) -> Result<(), TorrentSessionError> {
        let good = outcome.map_err(|error| {
            active.swarm.piece_not_stored(piece);
            TorrentSessionError::Write(error)
        })?;
        let culprit = active.swarm.piece_checked(piece, good);
        if good {
            tracing::debug!(piece = piece.get(), "piece verified");
            self.add_piece(piece, &mut active.record_schedule);
            active.offering.mark_verified(piece);
        } else {
            let culprit = culprit.and_then(|id| active.address(id));
            tracing::warn!(piece = piece.get(), ?culprit, "piece failed its check");
        }
        Ok(())
    }

    fn add_piece(&mut self, piece: PieceIndex, notes: &mut RecordSchedule) {
        if let Some(store) = &mut self.storage {
            store.have.insert(piece);
            notes.add_verified(u64::from(self.spec.metainfo.geometry().length_of(piece)));
        }
    }

    /// Handles a job that finished after the torrent left its swarm.
    pub(super) fn handle_late_job(&mut self, job: JobOutcome, notes: &mut RecordSchedule) {
        match job {
            JobOutcome::Checked(outcomes) => {
                for (piece, outcome) in outcomes {
                    // Pieces that could not be written are not recorded.
                    if outcome.is_ok_and(|good| good) {
                        self.add_piece(piece, notes);
                    }
                }
            }
            JobOutcome::RecordWritten(outcome) => {
                notes.finished();
                warn_on_error(outcome);
            }
            JobOutcome::Finalized(Ok(())) | JobOutcome::FragmentsRead(_) => {}
            JobOutcome::Shared(shared) => self.handle_shared(shared),
            JobOutcome::Finalized(Err(error)) => tracing::warn!(%error, "cannot finalize files"),
        }
    }

    /// Saves the record if it is overdue, and finalizes complete files.
    pub(super) fn record_if_due(&mut self, active: &mut ActiveSwarm) {
        let now = Instant::now();
        if !active.record_schedule.is_due(now)
            || active.phase != TorrentPhase::Fetching
            || !active.record_schedule.begin(now)
        {
            return;
        }
        if let Some((files, have)) = self.files_and_pieces() {
            self.jobs.spawn_blocking(move || JobOutcome::RecordWritten(files.finalize_and_record(&have)));
        }
    }

    /// Starts finalizing all files.
    pub(super) fn start_finalizing(&mut self, active: &mut ActiveSwarm) {
        match self.files_and_pieces() {
            Some((files, have)) => {
                self.jobs.spawn_blocking(move || JobOutcome::Finalized(files.finalize(&have).map(drop)));
            }
            None => active.is_finalized = true,
        }
    }

    /// Saves the record for the next run.
    pub(super) async fn write_record(&self, notes: &mut RecordSchedule) {
        if !notes.begin(Instant::now()) {
            return;
        }
        if let Some((files, have)) = self.files_and_pieces() {
            let written = tokio::task::spawn_blocking(move || files.record_pieces(&have)).await;
            warn_on_error(written.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
    }

    fn files_and_pieces(&self) -> Option<(Arc<TorrentFiles>, protocol::bitfield::Bitfield)> {
        let store = self.storage.as_ref()?;
        Some((Arc::clone(store.files.as_ref()?), store.have.clone()))
    }
}

fn warn_on_error(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "cannot write the files or record of a torrent; retrying");
    }
}
