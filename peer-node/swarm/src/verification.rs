//! Handles the results of verifying and storing pieces.

use protocol::geometry::PieceIndex;

use super::source::{DisconnectReason, SourceId};
use super::{Swarm, SwarmAction};

impl Swarm {
    /// Handles the verification result of a piece. Returns the source of the bad bytes, if it is certain.
    pub fn piece_checked(&mut self, piece: PieceIndex, good: bool) -> Option<SourceId> {
        // The piece leaves the table first, so that the picker can hand it out again at once.
        let contributors = self.close_piece(piece, Some(good));
        debug_assert!(self.active.get(piece).is_none(), "a verified piece is no longer in progress");
        self.verdicts.add(piece, good);
        if good {
            self.piece_done(piece);
            return None;
        }
        self.picker.put_back(piece);
        // With several contributors nobody knows who lied; the piece is then filled by one source alone.
        let [culprit] = *contributors.as_slice() else { return None };
        let is_poisoned = self.is_poisoned() && self.is_any_proven();
        let source = self.sources.get_mut(&culprit)?;
        // While sources are on trial, an untested source gets no second chance. Nor does any source once much data is bad and
        // other sources are proven.
        let is_last_chance = self.config.max_on_trial.is_some() && (source.is_untested() || is_poisoned);
        if source.record_failure(piece) || is_last_chance {
            self.disconnect(culprit, DisconnectReason::BadData);
        }
        Some(culprit)
    }

    /// Records that a piece could not be stored. It will be fetched again.
    pub fn piece_not_stored(&mut self, piece: PieceIndex) {
        self.close_piece(piece, None);
        self.picker.put_back(piece);
    }

    /// Closes a piece with its verification result, if there is one. Returns the contributing sources.
    fn close_piece(&mut self, piece: PieceIndex, good: Option<bool>) -> Vec<SourceId> {
        // A piece that could not be stored says nothing about its sources, so it counts as good here.
        let contributors = self.active.finished(piece, good.unwrap_or(true));
        for contributor in &contributors {
            if let Some(source) = self.sources.get_mut(contributor) {
                if let Some(good) = good {
                    source.verdict_received(good);
                }
                self.request_turns.mark_ready(*contributor);
            }
        }
        self.request_turns.wake_all();
        contributors
    }

    fn piece_done(&mut self, piece: PieceIndex) {
        // A piece can be completed twice if a late copy arrives while it is verified.
        if self.picker.is_done(piece) {
            return;
        }
        self.picker.piece_done(piece);
        // Sources that have nothing else for us learn that we are no longer interested.
        for (id, source) in self.sources.iter_mut().filter(|(_, source)| source.have.has(piece)) {
            debug_assert!(source.useful_pieces > 0, "a missing piece that a source has is useful");
            source.useful_pieces -= 1;
            let change = source.interest_changed();
            self.actions.extend(change.map(|on| SwarmAction::Interest { source: *id, on }));
        }
    }
}
