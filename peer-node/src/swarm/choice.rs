//! Which block a source that has room is asked for next.

use std::time::{Duration, Instant};

use protocol::geometry::{Block, PieceIndex};

use super::active::{ActivePiece, Debt};
use super::source::{Source, SourceId};
use super::{SNUB_AFTER, STALL_AFTER, Swarm};

/// A block owed for less than this is not asked of a second source, however fast that one is.
const PATIENCE: Duration = Duration::from_millis(100);

impl Swarm {
    /// Chooses in this order: go on with a piece that the source fills already or that its filler lost; begin the next
    /// piece; help with a piece that another fills; ask for a block that another owes for too long.
    pub(super) fn choose(&mut self, id: SourceId, now: Instant) -> Option<Block> {
        let block =
            self.continue_piece(id).or_else(|| self.begin_piece(id)).or_else(|| self.help_with_piece(id));
        if block.is_none() && now >= self.overtaking {
            return self.overtake(id, now);
        }
        block
    }

    fn continue_piece(&self, id: SourceId) -> Option<Block> {
        let source = self.sources.get(&id)?;
        self.wanted_block(source, |_, active| {
            let sources = active.sources();
            sources.is_empty()
                || sources.contains(&id)
                || sources.iter().all(|other| !self.sources.contains_key(other))
        })
    }

    fn begin_piece(&mut self, id: SourceId) -> Option<Block> {
        let source = self.sources.get(&id)?;
        if !self.has_budget() || !self.has_piece_to_begin(source) {
            return None;
        }
        let fits = |piece| source.may_give(piece) && !source.owes_of(piece);
        let is_first = self.active.moving_bytes() == 0 && self.picker.done_count() == 0;
        let piece = if is_first { self.picker.take_random(fits) } else { self.picker.take(fits) }?;
        self.active.open(piece, self.geometry.blocks(piece, self.config.block_length))
    }

    /// Says whether one more piece may be under way.
    fn has_budget(&self) -> bool {
        let moving = self.active.moving_bytes();
        moving == 0 || moving + u64::from(self.geometry.piece_length()) <= self.config.budget
    }

    /// Says whether a source has a missing piece that is not begun. This is much cheaper than to look for one.
    fn has_piece_to_begin(&self, source: &Source) -> bool {
        source.useful > self.active.iter().filter(|(piece, _)| source.have.has(*piece)).count()
    }

    /// Says whether nothing more can be begun: not even at a source that chokes us now. Before that, to ask for a block twice
    /// takes from the swarm what it could send somebody else.
    fn is_endgame(&self) -> bool {
        !self.has_budget() || !self.sources.values().any(|source| self.has_piece_to_begin(source))
    }

    fn help_with_piece(&self, id: SourceId) -> Option<Block> {
        let source = self.sources.get(&id)?;
        self.wanted_block(source, |piece, _| !self.active.is_solo(piece))
    }

    fn wanted_block(
        &self,
        source: &Source,
        fits: impl Fn(PieceIndex, &ActivePiece) -> bool,
    ) -> Option<Block> {
        self.active.iter().find_map(|(piece, active)| {
            let block = active.first_wanted()?;
            (source.may_give(piece) && !source.is_owing(block) && fits(piece, active)).then_some(block)
        })
    }

    fn overtake(&self, id: SourceId, now: Instant) -> Option<Block> {
        let source = self.sources.get(&id)?;
        let block_length = self.config.block_length;
        let shortest = source.pace.shortest();
        let patience = shortest.map_or(SNUB_AFTER, |shortest| PATIENCE.max(shortest * 3));
        let measured = source.time_for(source.bytes_owed() + u64::from(block_length), now);
        // The rate of a source that had nothing to do says nothing of how fast it is.
        let alone = shortest.unwrap_or(SNUB_AFTER).as_secs_f64();
        let ours = if source.owes() { measured } else { measured.min(alone) };
        let is_endgame = self.is_endgame();
        let is_late = |debt: &Debt| {
            let Some(debtor) = self.sources.get(&debt.debtor) else { return true };
            let owed_for = now.saturating_duration_since(debt.since);
            // A piece that one source shall fill alone is left to it for longer, but not for ever.
            let is_solo = self.active.is_solo(debt.block.piece);
            let overdue = owed_for >= if is_solo { patience.max(STALL_AFTER) } else { patience };
            let is_slower = debtor.time_for(debtor.bytes_owed(), now) >= ours * 2.0;
            debtor.is_snubbing(now) || (is_endgame && overdue && is_slower)
        };
        self.active
            .iter()
            .filter(|(piece, _)| source.may_give(*piece))
            .flat_map(|(_, active)| active.debts())
            .filter(|debt| debt.debtor != id && !source.is_owing(debt.block) && is_late(debt))
            .min_by_key(|debt| debt.since)
            .map(|debt| debt.block)
    }
}
