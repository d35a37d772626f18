//! The pieces being fetched: which blocks have arrived, and which sources owe the others.

use std::collections::{BTreeMap, BTreeSet};

use protocol::geometry::{Block, Geometry, PieceIndex};

use super::source::SourceId;

mod piece;
#[cfg(test)]
mod tests;

pub(super) use piece::{ActivePiece, BlockArrival};

/// All pieces being fetched.
#[derive(Debug, Default)]
pub(super) struct ActivePieces {
    pieces: BTreeMap<PieceIndex, ActivePiece>,
    /// Pieces with unrequested blocks. There are hardly more of them than sources, and with small pieces far fewer than pieces
    /// in progress.
    open: BTreeSet<PieceIndex>,
    /// Total bytes of the pieces that a source is filling or that wait for verification.
    moving_bytes: u64,
    /// Total bytes of the other pieces.
    stranded_bytes: u64,
    /// Pieces that failed with several contributors. Next time a single source fills them, so that the culprit shows.
    solo: BTreeSet<PieceIndex>,
}

impl ActivePieces {
    pub(super) fn get(&self, piece: PieceIndex) -> Option<&ActivePiece> {
        self.pieces.get(&piece)
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = PieceIndex> {
        self.pieces.keys().copied()
    }

    /// Returns the pieces with unrequested blocks.
    pub(super) fn open_pieces(&self) -> impl Iterator<Item = &ActivePiece> {
        self.open.iter().filter_map(|piece| self.pieces.get(piece))
    }

    /// Returns the number of moving pieces that a source contributes to.
    pub(super) fn count_moving_by(&self, source: SourceId) -> usize {
        let has_hand = |active: &&ActivePiece| active.is_moving() && active.has_contributor(source);
        self.pieces.values().filter(has_hand).count()
    }

    /// Starts a piece and returns its first block.
    pub(super) fn open(
        &mut self,
        geometry: &Geometry,
        piece: PieceIndex,
        block_length: u32,
    ) -> Option<Block> {
        let active = ActivePiece::new(geometry, piece, block_length);
        // Taken before the piece moves into the table.
        let first = active.first_wanted();
        debug_assert!(first.is_some(), "a new piece has something to request");
        debug_assert!(!self.pieces.contains_key(&piece), "a piece is opened once");
        self.stranded_bytes += active.bytes();
        self.open.insert(piece);
        self.pieces.insert(piece, active);
        first
    }

    /// Returns the bytes of all moving pieces. Pieces stranded without a source are not counted, so that they cannot block
    /// others forever.
    pub(super) const fn moving_bytes(&self) -> u64 {
        self.moving_bytes
    }

    /// Drops one stranded piece if those exceed `budget` bytes, and returns it.
    pub(super) fn drop_stranded(&mut self, budget: u64) -> Option<PieceIndex> {
        // Within the budget a stranded piece waits for a source, so that what has arrived is not wasted.
        if self.stranded_bytes <= budget {
            return None;
        }
        // Any of them will do; the lowest is found first, and they are few.
        let piece = self.pieces.iter().find(|(_, active)| !active.is_moving()).map(|(piece, _)| *piece)?;
        self.remove(piece);
        Some(piece)
    }

    pub(super) fn is_solo(&self, piece: PieceIndex) -> bool {
        self.solo.contains(&piece)
    }

    pub(super) fn requested(&mut self, source: SourceId, block: Block) {
        self.change(block, |active| active.requested(source, block));
    }

    pub(super) fn is_requested(&self, source: SourceId, block: Block) -> bool {
        self.owing_sources(block).is_some_and(|(one, other)| one == source || other == Some(source))
    }

    /// Returns the sources that owe a block: one, and possibly a second one.
    pub(super) fn owing_sources(&self, block: Block) -> Option<(SourceId, Option<SourceId>)> {
        self.pieces.get(&block.piece)?.owing_sources(block)
    }

    /// Records the arrival of a block.
    pub(super) fn arrived(&mut self, source: SourceId, block: Block) -> BlockArrival {
        self.change(block, |active| active.arrived(source, block)).unwrap_or(BlockArrival::Unwanted)
    }

    pub(super) fn is_complete(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(ActivePiece::is_complete)
    }

    /// Releases a block that a source owes. Returns the piece if it is untouched and was removed.
    pub(super) fn released(&mut self, source: SourceId, block: Block) -> Option<PieceIndex> {
        self.change(block, |active| active.released(source, block))?;
        // Nothing has arrived and nothing is requested, so the piece can be started anew by anyone.
        self.pieces.get(&block.piece)?.is_untouched().then(|| self.remove(block.piece))?;
        Some(block.piece)
    }

    /// Closes a verified piece and returns its contributors.
    pub(super) fn finished(&mut self, piece: PieceIndex, good: bool) -> Vec<SourceId> {
        // The contributors are known only as long as the piece is in the table.
        let contributors: Vec<SourceId> =
            self.remove(piece).map(|active| active.contributors().collect()).unwrap_or_default();
        debug_assert!(!self.pieces.contains_key(&piece), "a closed piece is not in progress");
        // A valid piece clears the suspicion; one that failed with several contributors needs a single one next time.
        if good {
            self.solo.remove(&piece);
        } else if contributors.len() > 1 {
            self.solo.insert(piece);
        }
        contributors
    }

    /// Changes a block's progress and updates the counts that depend on its piece.
    fn change<T>(&mut self, block: Block, change: impl FnOnce(&mut ActivePiece) -> T) -> Option<T> {
        let active = self.pieces.get_mut(&block.piece)?;
        // Both counts are kept by difference, because pieces with thousands of blocks must not be scanned at each step.
        let (was_moving, was_open) = (active.is_moving(), active.is_open());
        let result = change(active);
        match (was_moving, active.is_moving()) {
            (false, true) => {
                self.stranded_bytes -= active.bytes();
                self.moving_bytes += active.bytes();
            }
            (true, false) => {
                self.moving_bytes -= active.bytes();
                self.stranded_bytes += active.bytes();
            }
            _ => {}
        }
        let is_open = active.is_open();
        match (was_open, is_open) {
            (false, true) => drop(self.open.insert(block.piece)),
            (true, false) => drop(self.open.remove(&block.piece)),
            _ => {}
        }
        debug_assert_eq!(self.open.contains(&block.piece), is_open, "exactly the open pieces are listed");
        Some(result)
    }

    fn remove(&mut self, piece: PieceIndex) -> Option<ActivePiece> {
        let active = self.pieces.remove(&piece)?;
        let bytes = if active.is_moving() { &mut self.moving_bytes } else { &mut self.stranded_bytes };
        debug_assert!(*bytes >= active.bytes(), "a piece is counted while it is in progress");
        *bytes -= active.bytes();
        self.open.remove(&piece);
        Some(active)
    }
}
