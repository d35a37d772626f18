//! Stored pieces and finished jobs.

use std::sync::Arc;

use protocol::geometry::PieceIndex;

use super::active_swarm::{ActiveSwarm, TorrentPhase};
use super::{JobOutcome, TorrentSession, TorrentSessionError};
use crate::torrent::files::TorrentFiles;

impl TorrentSession {
    /// Handles the result of a job.
    pub(super) fn handle_job(
        &mut self,
        job: JobOutcome,
        active: &mut ActiveSwarm,
    ) -> Result<(), TorrentSessionError> {
        match job {
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

    /// Marks a piece as verified and stored.
    pub(super) fn add_piece(&mut self, piece: PieceIndex) {
        if let Some(store) = &mut self.storage {
            let is_new = store.have.insert(piece);
            debug_assert!(is_new, "a piece was stored twice");
        }
    }

    /// Handles a job that finished after the torrent left its swarm.
    pub(super) fn handle_late_job(&mut self, job: JobOutcome) {
        match job {
            JobOutcome::Finalized(Ok(())) | JobOutcome::FragmentsRead(_) => {}
            JobOutcome::Shared(shared) => self.handle_shared(shared),
            JobOutcome::Finalized(Err(error)) => tracing::warn!(%error, "cannot finalize files"),
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

    fn files_and_pieces(&self) -> Option<(Arc<TorrentFiles>, protocol::bitfield::Bitfield)> {
        let store = self.storage.as_ref()?;
        Some((Arc::clone(store.files.as_ref()?), store.have.clone()))
    }
}
