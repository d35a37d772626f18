//! Chooses the next block to request from a source with room.

use std::time::Instant;

use protocol::geometry::{Block, PieceIndex};

use super::active_pieces::ActivePiece;
use super::source::{SourceId, SwarmSource};
use super::{PieceOrder, Swarm, SwarmAction};

/// Maximum number of moving pieces that an unproven source contributes to, or of bytes in them if that allows more. It
/// limits what a liar can spoil before verification exposes it; where much data was bad, it is one piece. The bytes
/// cover what a distant source sends in the round trips before its first piece is verified.
const MAX_ON_TRIAL: (usize, u64) = (2, 2 << 20);

impl Swarm {
    /// Sends the next requests to all sources with room, in turn, so that none is filled before the others.
    pub(super) fn fill_pipelines(&mut self, now: Instant) {
        while let Some(id) = self.request_turns.next() {
            // Sources take turns block by block; a full one waits until it answers.
            if !self.has_room(id) {
                self.request_turns.mark_full(id);
                self.sources.get_mut(&id).into_iter().for_each(SwarmSource::mark_full);
            } else if let Some(block) = self.choose(id, now) {
                self.request(id, block, now);
            } else {
                self.request_turns.mark_idle(id);
            }
        }
    }

    pub(super) fn has_room(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(|source| source.has_room(self.config.max_requests))
    }

    pub(super) fn request(&mut self, id: SourceId, block: Block, now: Instant) {
        self.active.requested(id, block);
        if let Some(source) = self.sources.get_mut(&id) {
            source.requested(block, now);
        }
        self.actions.push_back(SwarmAction::Request { source: id, block });
    }

    /// Chooses in this order: repeat an unanswered request, unless it was made elsewhere; continue a piece that the source is
    /// filling or that lost its source; start the next piece; help with a piece that another source is filling.
    fn choose(&mut self, id: SourceId, now: Instant) -> Option<Block> {
        let may_join = self.may_add_piece(id);
        if let Some(block) = self.repeat_request(id, now) {
            return Some(block);
        }
        let begin = |swarm: &mut Self| {
            if swarm.may_begin(id, now) { swarm.begin_piece(id, now, |_| true) } else { None }
        };
        let other = |swarm: &mut Self| begin(swarm).or_else(|| swarm.help_with_piece(id));
        self.continue_piece(id, may_join).or_else(|| may_join.then(|| other(self)).flatten())
    }

    /// Returns true if a source may contribute to one more piece.
    pub(super) fn may_add_piece(&self, id: SourceId) -> bool {
        let is_trusted = self.sources.get(&id).is_some_and(|source| self.is_trusted(source));
        // Small pieces would otherwise stop a distant source before its first one is verified.
        let piece = u64::from(self.geometry.piece_length()).max(1);
        let max_pieces = usize::try_from(MAX_ON_TRIAL.1 / piece).unwrap_or(usize::MAX).max(MAX_ON_TRIAL.0);
        let max_pieces = if self.is_poisoned() { 1 } else { max_pieces };
        is_trusted || self.active.count_moving_by(id) < max_pieces
    }

    fn continue_piece(&self, id: SourceId, may_join: bool) -> Option<Block> {
        let source = self.sources.get(&id)?;
        // All its contributors have gone, so anyone may finish it.
        let is_lost =
            |active: &ActivePiece| active.contributors().all(|other| !self.sources.contains_key(&other));
        let fits = |active: &ActivePiece| active.has_contributor(id) || (may_join && is_lost(active));
        // Fast path for all blocks but the first of a piece.
        let last = source.filling.and_then(|piece| self.active.get(piece)).filter(|active| fits(active));
        last.and_then(|active| first_wanted_from(source, active)).or_else(|| self.wanted_block(source, fits))
    }

    /// Starts the next piece that a source has and `may_be_begun` accepts, and returns its first block.
    pub(super) fn begin_piece(
        &mut self,
        id: SourceId,
        now: Instant,
        may_be_begun: impl Fn(PieceIndex) -> bool,
    ) -> Option<Block> {
        let source = self.sources.get(&id)?;
        // Both checks are cheap, while the search for a piece may visit all of them.
        if !self.has_budget() || !self.has_piece_to_begin(source) {
            return None;
        }
        // A piece that this source still owes from an earlier attempt would be received twice.
        let is_free = |piece| may_be_begun(piece) && source.may_supply(piece) && !source.owes_piece(piece);
        let is_limited = self.config.max_on_trial.is_some();
        let (verdicts, sources) = (&self.verdicts, &self.sources);
        let may_try = |piece| !is_limited || verdicts.is_best_for(piece, source, sources, now);
        let fits = |piece| is_free(piece) && may_try(piece);
        let is_first = self.active.moving_bytes() == 0 && self.picker.done_count() == 0;
        let piece = match self.config.order {
            PieceOrder::Random => self.picker.take_random(&source.have, fits),
            PieceOrder::Rarest if is_first => {
                // The last piece proves a manifest, and choosing it first would give all leechers the same first piece.
                let last = self.geometry.last_piece();
                let other = self.picker.take_random(&source.have, |piece| Some(piece) != last && fits(piece));
                other.or_else(|| self.picker.take_random(&source.have, fits))
            }
            PieceOrder::Rarest => self.picker.take(&source.have, fits),
        }?;
        // The source that starts a piece determines its block boundaries for all that help.
        let length = source.block_length(self.config.min_block, self.config.block_length);
        self.active.open(&self.geometry, piece, length)
    }

    /// Returns true if the budget allows one more piece in progress.
    fn has_budget(&self) -> bool {
        let moving = self.active.moving_bytes();
        // A piece longer than the budget is fetched alone.
        moving == 0 || moving + u64::from(self.geometry.piece_length()) <= self.config.budget
    }

    /// Returns true if a source has a missing piece that is not in progress. Much cheaper than searching for one.
    fn has_piece_to_begin(&self, source: &SwarmSource) -> bool {
        source.useful_pieces > self.active.len()
            || source.useful_pieces > self.active.pieces().filter(|piece| source.have.has(*piece)).count()
    }

    /// Returns true if no more pieces can be started, not even from sources that choke us now. Before that, duplicate requests
    /// would take capacity from the swarm.
    pub(super) fn is_endgame(&self) -> bool {
        !self.has_budget() || !self.sources.values().any(|source| self.has_piece_to_begin(source))
    }

    fn help_with_piece(&self, id: SourceId) -> Option<Block> {
        let source = self.sources.get(&id)?;
        // A piece under suspicion stays with one source, so that the culprit shows.
        self.wanted_block(source, |active| !self.active.is_solo(active.index()))
    }

    fn wanted_block(&self, source: &SwarmSource, fits: impl Fn(&ActivePiece) -> bool) -> Option<Block> {
        self.active
            .open_pieces()
            .filter(|active| fits(active))
            .find_map(|active| first_wanted_from(source, active))
    }
}

/// Returns the first unrequested block of a piece, if this source may supply it.
fn first_wanted_from(source: &SwarmSource, active: &ActivePiece) -> Option<Block> {
    let block = active.first_wanted()?;
    (source.may_supply(block.piece) && !source.owes_block(block)).then_some(block)
}
