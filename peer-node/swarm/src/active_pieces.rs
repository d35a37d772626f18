//! The pieces on their way: which of their blocks are here, and who was asked for the others.

use std::collections::{BTreeMap, BTreeSet};

use protocol::geometry::{Block, Geometry, PieceIndex};

use super::source::SourceId;

mod piece;
#[cfg(test)]
mod tests;

pub(super) use piece::{ActivePiece, BlockArrival};

/// All pieces on their way.
#[derive(Debug, Default)]
pub(super) struct ActivePieces {
    pieces: BTreeMap<PieceIndex, ActivePiece>,
    /// Those with blocks that nobody was asked for: hardly more than there are sources, and in small pieces far fewer than
    /// there are pieces on their way.
    open: BTreeSet<PieceIndex>,
    /// The bytes of all pieces that some source is filling or that wait for their check.
    moving_bytes: u64,
    /// The bytes of all others.
    stranded_bytes: u64,
    /// Pieces that failed with several givers: next time one source alone fills them, so that the culprit shows.
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

    /// Returns the pieces that have blocks that nobody was asked for.
    pub(super) fn open_pieces(&self) -> impl Iterator<Item = &ActivePiece> {
        self.open.iter().filter_map(|piece| self.pieces.get(piece))
    }

    /// Counts the pieces that move and that a source has a hand in.
    pub(super) fn count_moving_by(&self, source: SourceId) -> usize {
        let has_hand = |active: &&ActivePiece| active.is_moving() && active.has_contributor(source);
        self.pieces.values().filter(has_hand).count()
    }

    /// Begins a piece, and returns its first block.
    pub(super) fn open(
        &mut self,
        geometry: &Geometry,
        piece: PieceIndex,
        block_length: u32,
    ) -> Option<Block> {
        let active = ActivePiece::new(geometry, piece, block_length);
        let first = active.first_wanted();
        self.stranded_bytes += active.bytes();
        self.open.insert(piece);
        self.pieces.insert(piece, active);
        first
    }

    /// Returns the bytes of all pieces that move; those that wait for a source they lost are not counted, so that they
    /// cannot keep others out for ever.
    pub(super) const fn moving_bytes(&self) -> u64 {
        self.moving_bytes
    }

    /// Forgets one of the pieces that wait for a source they lost, if those are more than so many bytes. Returns which.
    pub(super) fn drop_stranded(&mut self, budget: u64) -> Option<PieceIndex> {
        if self.stranded_bytes <= budget {
            return None;
        }
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

    /// Returns who owes a block: one source, and perhaps a second one.
    pub(super) fn owing_sources(&self, block: Block) -> Option<(SourceId, Option<SourceId>)> {
        self.pieces.get(&block.piece)?.owing_sources(block)
    }

    /// Takes in a block.
    pub(super) fn arrived(&mut self, source: SourceId, block: Block) -> BlockArrival {
        self.change(block, |active| active.arrived(source, block)).unwrap_or(BlockArrival::Unwanted)
    }

    pub(super) fn is_complete(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(ActivePiece::is_complete)
    }

    /// Forgets that a source owes a block. Returns the piece if nothing of it is left here.
    pub(super) fn released(&mut self, source: SourceId, block: Block) -> Option<PieceIndex> {
        self.change(block, |active| active.released(source, block))?;
        self.pieces.get(&block.piece)?.is_untouched().then(|| self.remove(block.piece))?;
        Some(block.piece)
    }

    /// Closes a piece that was checked, and returns who gave it.
    pub(super) fn finished(&mut self, piece: PieceIndex, good: bool) -> Vec<SourceId> {
        let givers: Vec<SourceId> =
            self.remove(piece).map(|active| active.contributors().collect()).unwrap_or_default();
        if good {
            self.solo.remove(&piece);
        } else if givers.len() > 1 {
            self.solo.insert(piece);
        }
        givers
    }

    /// Changes how far a block has got, and what is counted of its piece.
    fn change<T>(&mut self, block: Block, change: impl FnOnce(&mut ActivePiece) -> T) -> Option<T> {
        let active = self.pieces.get_mut(&block.piece)?;
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
        match (was_open, active.is_open()) {
            (false, true) => drop(self.open.insert(block.piece)),
            (true, false) => drop(self.open.remove(&block.piece)),
            _ => {}
        }
        Some(result)
    }

    fn remove(&mut self, piece: PieceIndex) -> Option<ActivePiece> {
        let active = self.pieces.remove(&piece)?;
        let bytes = if active.is_moving() { &mut self.moving_bytes } else { &mut self.stranded_bytes };
        *bytes -= active.bytes();
        self.open.remove(&piece);
        Some(active)
    }
}
