//! Carries out what the engine decides, and verifies and stores what has come.

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
    /// Carries out all that the engine wants done now.
    pub(super) fn run_actions(&mut self, party: &mut ActiveSwarm) {
        let now = Instant::now();
        while let Some(action) = party.swarm.poll(now) {
            match action {
                SwarmAction::Request { source, block } => {
                    self.read_fragments(block.piece);
                    party.request(source, block);
                }
                SwarmAction::Cancel { source, block } => party.cancel(source, block),
                SwarmAction::Interest { source, on } => party.set_interested(source, on),
                SwarmAction::Verify { piece } => {
                    let data = party.assembly.take(piece);
                    party.checks.push(piece, data);
                }
                SwarmAction::Drop { piece } => drop(party.assembly.take(piece)),
                SwarmAction::Disconnect { source, reason } => {
                    let parting = match reason {
                        DisconnectReason::BadData => DisconnectKind::Banned,
                        DisconnectReason::Stalled | DisconnectReason::Refusing => DisconnectKind::RetrySoon,
                    };
                    self.disconnect(party, source, &reason.to_string(), parting);
                }
            }
        }
        self.start_checks(party);
    }

    /// Begins to verify what has come, as far as there is room for it.
    fn start_checks(&mut self, party: &mut ActiveSwarm) {
        let Some(files) = self.storage.as_ref().and_then(|store| store.files.as_ref()) else { return };
        while let Some(pieces) = party.checks.next_batch() {
            let files = Arc::clone(files);
            self.jobs.spawn(async { JobOutcome::Checked(verify_and_write(pieces, files).await) });
        }
    }

    /// Takes in what a job has done.
    pub(super) fn handle_job(
        &mut self,
        done: JobOutcome,
        party: &mut ActiveSwarm,
    ) -> Result<(), TorrentSessionError> {
        match done {
            JobOutcome::Checked(outcomes) => {
                party.checks.job_finished();
                let checked =
                    outcomes.into_iter().map(|(piece, outcome)| self.piece_checked(piece, outcome, party));
                // One that could not be written does not take those beside it along.
                checked.fold(Ok(()), Result::and)?;
            }
            JobOutcome::RecordWritten(outcome) => {
                party.notes.finished();
                warn_on_error(outcome);
            }
            JobOutcome::Finalized(outcome) => {
                outcome?;
                party.is_finalized = party.phase == TorrentPhase::Finishing && !self.share_finished_file();
            }
            JobOutcome::FragmentsRead(blocks) => self.fragments_read(blocks, party),
            JobOutcome::Shared(shared) => {
                self.handle_shared(shared);
                party.is_finalized = party.phase == TorrentPhase::Finishing;
            }
        }
        Ok(())
    }

    fn piece_checked(
        &mut self,
        piece: PieceIndex,
        outcome: io::Result<bool>,
        party: &mut ActiveSwarm,
    ) -> Result<(), TorrentSessionError> {
        let good = outcome.map_err(|error| {
            party.swarm.piece_not_stored(piece);
            TorrentSessionError::Write(error)
        })?;
        let culprit = party.swarm.piece_checked(piece, good);
        if good {
            tracing::debug!(piece = piece.get(), "piece verified");
            self.add_piece(piece, &mut party.notes);
            party.offering.mark_verified(piece);
        } else {
            let culprit = culprit.and_then(|id| party.address(id));
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

    /// Takes in what a job did that ended after the torrent had left its swarm.
    pub(super) fn handle_late_job(&mut self, done: JobOutcome, notes: &mut RecordSchedule) {
        match done {
            JobOutcome::Checked(outcomes) => {
                for (piece, outcome) in outcomes {
                    // What could not be written is not noted as being here.
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
            JobOutcome::Finalized(Err(error)) => tracing::warn!(%error, "files not put in their places"),
        }
    }

    /// Notes on disk which pieces are here if the record is far behind, and names the files that are whole by now.
    pub(super) fn record_if_due(&mut self, party: &mut ActiveSwarm) {
        let now = Instant::now();
        if !party.notes.is_due(now) || party.phase != TorrentPhase::Fetching || !party.notes.begin(now) {
            return;
        }
        if let Some((files, here)) = self.files_and_pieces() {
            self.jobs.spawn_blocking(move || JobOutcome::RecordWritten(files.finalize_and_record(&here)));
        }
    }

    /// Puts everything in its place.
    pub(super) fn start_finalizing(&mut self, party: &mut ActiveSwarm) {
        match self.files_and_pieces() {
            Some((files, here)) => {
                self.jobs.spawn_blocking(move || JobOutcome::Finalized(files.finalize(&here).map(drop)));
            }
            None => party.is_finalized = true,
        }
    }

    /// Notes which pieces are here, for the next time.
    pub(super) async fn write_record(&self, notes: &mut RecordSchedule) {
        if !notes.begin(Instant::now()) {
            return;
        }
        if let Some((files, here)) = self.files_and_pieces() {
            let written = tokio::task::spawn_blocking(move || files.record_pieces(&here)).await;
            warn_on_error(written.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
    }

    fn files_and_pieces(&self) -> Option<(Arc<TorrentFiles>, protocol::bitfield::Bitfield)> {
        let store = self.storage.as_ref()?;
        Some((Arc::clone(store.files.as_ref()?), store.have.clone()))
    }
}

fn warn_on_error(noted: io::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "files or record of a torrent not written; trying again");
    }
}
