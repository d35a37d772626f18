//! Which block a source that has room is asked for next.

use std::time::Instant;

use protocol::geometry::{Block, PieceIndex};

use super::active_pieces::ActivePiece;
use super::source::{SourceId, SwarmSource};
use super::{PieceOrder, Swarm, SwarmAction};

/// A source has a hand in no more than so many pieces on their way, or in so many bytes of them if that is more, while the last
/// verdict on it was not good. However late verdicts come, a liar is asked for no more than these and the one that the first
/// verdict lets it begin: the second makes it known. Where much of what came was wrong, it is one piece. The bytes are what a distant source sends in the round trips before the
/// first verdict.
const MAX_ON_TRIAL: (usize, u64) = (2, 2 << 20);

impl Swarm {
    /// Gives every source that has room its next requests, in turn, so that none is served before the others.
    pub(super) fn fill_pipelines(&mut self, now: Instant) {
        while let Some(id) = self.request_turns.next() {
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

    /// Chooses in this order: repeat what a source did not answer, unless it was requested elsewhere; go on with a piece that the source fills already or that its filler lost; begin the next
    /// piece; help with a piece that another fills.
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

    /// Says whether a source may have a hand in one more piece.
    pub(super) fn may_add_piece(&self, id: SourceId) -> bool {
        let is_proven = self.sources.get(&id).is_some_and(SwarmSource::is_proven);
        let piece = u64::from(self.geometry.piece_length()).max(1);
        let most = usize::try_from(MAX_ON_TRIAL.1 / piece).unwrap_or(usize::MAX).max(MAX_ON_TRIAL.0);
        let most = if self.is_poisoned() { 1 } else { most };
        is_proven || self.active.count_moving_by(id) < most
    }

    fn continue_piece(&self, id: SourceId, may_join: bool) -> Option<Block> {
        let source = self.sources.get(&id)?;
        let is_lost =
            |active: &ActivePiece| active.contributors().all(|other| !self.sources.contains_key(&other));
        let fits = |active: &ActivePiece| active.has_contributor(id) || (may_join && is_lost(active));
        // All but the first block of a piece are found at once.
        let last = source.filling.and_then(|piece| self.active.get(piece)).filter(|active| fits(active));
        last.and_then(|active| first_wanted_from(source, active)).or_else(|| self.wanted_block(source, fits))
    }

    /// Begins the next piece that a source has and `may_be_begun` accepts, and returns its first block.
    pub(super) fn begin_piece(
        &mut self,
        id: SourceId,
        now: Instant,
        may_be_begun: impl Fn(PieceIndex) -> bool,
    ) -> Option<Block> {
        let source = self.sources.get(&id)?;
        if !self.has_budget() || !self.has_piece_to_begin(source) {
            return None;
        }
        let is_free = |piece| may_be_begun(piece) && source.may_supply(piece) && !source.owes_piece(piece);
        let is_limited = self.config.max_on_trial.is_some();
        let (verdicts, sources) = (&self.verdicts, &self.sources);
        let may_try = |piece| !is_limited || verdicts.is_best_for(piece, source, sources, now);
        let fits = |piece| is_free(piece) && may_try(piece);
        let is_first = self.active.moving_bytes() == 0 && self.picker.done_count() == 0;
        let piece = match self.config.order {
            PieceOrder::Random => self.picker.take_random(&source.have, fits),
            PieceOrder::Rarest if is_first => {
                // The last one proves a manifest: everybody's first would otherwise be the same.
                let last = self.geometry.last_piece();
                let other = self.picker.take_random(&source.have, |piece| Some(piece) != last && fits(piece));
                other.or_else(|| self.picker.take_random(&source.have, fits))
            }
            PieceOrder::Rarest => self.picker.take(&source.have, fits),
        }?;
        let length = source.block_length(self.config.min_block, self.config.block_length);
        self.active.open(&self.geometry, piece, length)
    }

    /// Says whether one more piece may be under way.
    fn has_budget(&self) -> bool {
        let moving = self.active.moving_bytes();
        moving == 0 || moving + u64::from(self.geometry.piece_length()) <= self.config.budget
    }

    /// Says whether a source has a missing piece that is not begun. This is much cheaper than to look for one.
    fn has_piece_to_begin(&self, source: &SwarmSource) -> bool {
        source.useful_pieces > self.active.len()
            || source.useful_pieces > self.active.pieces().filter(|piece| source.have.has(*piece)).count()
    }

    /// Says whether nothing more can be begun: not even at a source that chokes us now. Before that, to ask for a block twice
    /// takes from the swarm what it could send somebody else.
    pub(super) fn is_endgame(&self) -> bool {
        !self.has_budget() || !self.sources.values().any(|source| self.has_piece_to_begin(source))
    }

    fn help_with_piece(&self, id: SourceId) -> Option<Block> {
        let source = self.sources.get(&id)?;
        self.wanted_block(source, |active| !self.active.is_solo(active.index()))
    }

    fn wanted_block(&self, source: &SwarmSource, fits: impl Fn(&ActivePiece) -> bool) -> Option<Block> {
        self.active
            .open_pieces()
            .filter(|active| fits(active))
            .find_map(|active| first_wanted_from(source, active))
    }
}

/// Returns the first block of a piece that nobody was asked for, if this source may be.
fn first_wanted_from(source: &SwarmSource, active: &ActivePiece) -> Option<Block> {
    let block = active.first_wanted()?;
    (source.may_supply(block.piece) && !source.owes_block(block)).then_some(block)
}
