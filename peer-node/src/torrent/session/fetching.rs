//! Carries out what the engine decides, and verifies and stores what has come.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use protocol::geometry::PieceIndex;

use super::party::{Party, Phase};
use super::{Done, Failure, Session};
use crate::download::notes::Notes;
use crate::download::verification::verify_and_write;
use crate::swarm::{Action, LeaveReason};
use crate::torrent::files::TorrentFiles;
use crate::torrent::peer_book::Parting;

impl Session {
    /// Carries out all that the engine wants done now.
    pub(super) fn act(&mut self, party: &mut Party) {
        let now = Instant::now();
        while let Some(action) = party.swarm.poll(now) {
            match action {
                Action::Request { source, block } => {
                    self.read_fragments(block.piece);
                    party.request(source, block);
                }
                Action::Cancel { source, block } => party.cancel(source, block),
                Action::Interest { source, on } => party.interested(source, on),
                Action::Check { piece } => {
                    let data = party.assembly.take(piece);
                    party.checks.push(piece, data);
                }
                Action::Drop { piece } => drop(party.assembly.take(piece)),
                Action::Leave { source, reason } => {
                    let parting = match reason {
                        LeaveReason::BadData => Parting::Banned,
                        LeaveReason::Stalled | LeaveReason::Refusing => Parting::Soon,
                    };
                    self.leave(party, source, &reason.to_string(), parting);
                }
            }
        }
        self.check(party);
    }

    /// Begins to verify what has come, as far as there is room for it.
    fn check(&mut self, party: &mut Party) {
        let Some(files) = self.store.as_ref().and_then(|store| store.files.as_ref()) else { return };
        while let Some(pieces) = party.checks.begin() {
            let files = Arc::clone(files);
            self.jobs.spawn(async { Done::Checked(verify_and_write(pieces, files).await) });
        }
    }

    /// Takes in what a job has done.
    pub(super) fn job_done(&mut self, done: Done, party: &mut Party) -> Result<(), Failure> {
        match done {
            Done::Checked(outcomes) => {
                party.checks.ended();
                let checked =
                    outcomes.into_iter().map(|(piece, outcome)| self.piece_checked(piece, outcome, party));
                // One that could not be written does not take those beside it along.
                checked.fold(Ok(()), Result::and)?;
            }
            Done::Noted(outcome) => {
                party.notes.ended();
                warn_of(outcome);
            }
            Done::Settled(outcome) => {
                outcome?;
                party.is_settled = party.phase == Phase::Finishing && !self.share();
            }
            Done::Read(blocks) => self.fragments_read(blocks, party),
            Done::Shared(shared) => {
                self.shared(shared);
                party.is_settled = party.phase == Phase::Finishing;
            }
        }
        Ok(())
    }

    fn piece_checked(
        &mut self,
        piece: PieceIndex,
        outcome: io::Result<bool>,
        party: &mut Party,
    ) -> Result<(), Failure> {
        let good = outcome.map_err(|error| {
            party.swarm.piece_not_stored(piece);
            Failure::Write(error)
        })?;
        let culprit = party.swarm.piece_checked(piece, good);
        if good {
            tracing::debug!(piece = piece.get(), "piece verified");
            self.piece_here(piece, &mut party.notes);
            party.offering.verified(piece);
        } else {
            let culprit = culprit.and_then(|id| party.address(id));
            tracing::warn!(piece = piece.get(), ?culprit, "piece failed its check");
        }
        Ok(())
    }

    fn piece_here(&mut self, piece: PieceIndex, notes: &mut Notes) {
        if let Some(store) = &mut self.store {
            store.here.insert(piece);
            notes.verified(u64::from(self.wish.metainfo.geometry().length_of(piece)));
        }
    }

    /// Takes in what a job did that ended after the torrent had left its swarm.
    pub(super) fn late_job(&mut self, done: Done, notes: &mut Notes) {
        match done {
            Done::Checked(outcomes) => {
                for (piece, outcome) in outcomes {
                    // What could not be written is not noted as being here.
                    if outcome.is_ok_and(|good| good) {
                        self.piece_here(piece, notes);
                    }
                }
            }
            Done::Noted(outcome) => {
                notes.ended();
                warn_of(outcome);
            }
            Done::Settled(Ok(())) | Done::Read(_) => {}
            Done::Shared(shared) => self.shared(shared),
            Done::Settled(Err(error)) => tracing::warn!(%error, "files not put in their places"),
        }
    }

    /// Notes on disk which pieces are here if the record is far behind, and names the files that are whole by now.
    pub(super) fn note_if_due(&mut self, party: &mut Party) {
        let now = Instant::now();
        if !party.notes.is_due(now) || party.phase != Phase::Fetching || !party.notes.begin(now) {
            return;
        }
        if let Some((files, here)) = self.files_and_pieces() {
            self.jobs.spawn_blocking(move || Done::Noted(files.settle_and_note(&here)));
        }
    }

    /// Puts everything in its place.
    pub(super) fn settle(&mut self, party: &mut Party) {
        match self.files_and_pieces() {
            Some((files, here)) => {
                self.jobs.spawn_blocking(move || Done::Settled(files.settle(&here).map(drop)));
            }
            None => party.is_settled = true,
        }
    }

    /// Notes which pieces are here, for the next time.
    pub(super) async fn save(&self, notes: &mut Notes) {
        if !notes.begin(Instant::now()) {
            return;
        }
        if let Some((files, here)) = self.files_and_pieces() {
            let written = tokio::task::spawn_blocking(move || files.note(&here)).await;
            warn_of(written.unwrap_or_else(|error| Err(io::Error::other(error))));
        }
    }

    fn files_and_pieces(&self) -> Option<(Arc<TorrentFiles>, protocol::bitfield::Bitfield)> {
        let store = self.store.as_ref()?;
        Some((Arc::clone(store.files.as_ref()?), store.here.clone()))
    }
}

fn warn_of(noted: io::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "files or record of a torrent not written; trying again");
    }
}
