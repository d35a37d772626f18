use protocol::geometry::{Block, Geometry, PieceIndex};

use crate::source::SourceId;

/// Progress of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockProgress {
    /// Not requested, or released again.
    Wanted,
    /// Requested from one source, and possibly from a second one that may be faster.
    Requested(SourceId, Option<SourceId>),
    /// Received from this source.
    Received(SourceId),
}

/// The result of a block's arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockArrival {
    /// Already received, or not part of the piece.
    Unwanted,
    /// The block was missing; another source may owe it as well, and its request can be cancelled.
    Wanted { also_owed_by: Option<SourceId> },
}

/// A piece with at least one requested block.
///
/// A BitTorrent piece may have 4096 blocks. They are kept in a table, and everything needed at every step is counted.
#[derive(Debug)]
pub(crate) struct ActivePiece {
    index: PieceIndex,
    length: u32,
    block_length: u32,
    blocks: Vec<BlockProgress>,
    /// The first wanted block, if there is one.
    cursor: usize,
    wanted: usize,
    requested: usize,
    /// Number of blocks that each source sent or owes.
    contributions: Vec<(SourceId, usize)>,
}

impl ActivePiece {
    pub(super) fn new(geometry: &Geometry, index: PieceIndex, block_length: u32) -> Self {
        // A block length of 0 would never fill the piece.
        let (length, block_length) = (geometry.length_of(index), block_length.max(1));
        let wanted = length.div_ceil(block_length) as usize;
        debug_assert!(wanted > 0, "a piece has at least one block");
        let (blocks, shares) = (vec![BlockProgress::Wanted; wanted], Vec::new());
        Self { index, length, block_length, blocks, cursor: 0, wanted, requested: 0, contributions: shares }
    }

    pub(crate) const fn index(&self) -> PieceIndex {
        self.index
    }

    pub(super) fn bytes(&self) -> u64 {
        self.length.into()
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.wanted == 0 && self.requested == 0
    }

    /// Returns true if no block was received or is requested.
    pub(super) const fn is_untouched(&self) -> bool {
        self.wanted == self.blocks.len()
    }

    /// Returns true if a source is filling the piece, or it waits for verification.
    pub(super) const fn is_moving(&self) -> bool {
        self.is_complete() || self.requested > 0
    }

    /// Returns true if there are unrequested blocks.
    pub(super) const fn is_open(&self) -> bool {
        self.wanted > 0
    }

    /// Returns the first unrequested block.
    pub(crate) fn first_wanted(&self) -> Option<Block> {
        let first = self.is_open().then(|| self.block(self.cursor)).flatten();
        debug_assert_eq!(first.is_some(), self.is_open(), "the cursor is at a block while one is wanted");
        first
    }

    /// Returns the sources that sent blocks or owe some.
    pub(crate) fn contributors(&self) -> impl Iterator<Item = SourceId> {
        self.contributions.iter().map(|(source, _)| *source)
    }

    /// Returns true if a source sent blocks or owes some.
    pub(crate) fn has_contributor(&self, source: SourceId) -> bool {
        self.contributors().any(|other| other == source)
    }

    /// Returns the sources that owe a block: one, and possibly a second one.
    pub(super) fn owing_sources(&self, block: Block) -> Option<(SourceId, Option<SourceId>)> {
        match self.blocks.get(self.slot(block)?)? {
            BlockProgress::Requested(one, other) => Some((*one, *other)),
            BlockProgress::Wanted | BlockProgress::Received(_) => None,
        }
    }

    pub(super) fn requested(&mut self, source: SourceId, block: Block) {
        let Some(slot) = self.slot(block) else { return };
        match self.blocks.get(slot) {
            // The usual case: nobody owes the block.
            Some(BlockProgress::Wanted) => self.set_progress(slot, BlockProgress::Requested(source, None)),
            // A second source helps out; a third one never does.
            Some(BlockProgress::Requested(one, None)) => {
                self.set_progress(slot, BlockProgress::Requested(*one, Some(source)));
            }
            _ => {}
        }
    }

    pub(super) fn arrived(&mut self, source: SourceId, block: Block) -> BlockArrival {
        let Some(slot) = self.slot(block) else { return BlockArrival::Unwanted };
        let other = match self.blocks.get(slot).copied() {
            // Two sources owed the block and this one was slower, or it sent what nobody requested.
            None | Some(BlockProgress::Received(_)) => return BlockArrival::Unwanted,
            Some(BlockProgress::Wanted) => None,
            Some(BlockProgress::Requested(one, other)) => {
                // Any other source that owes it need not send it.
                [Some(one), other].into_iter().flatten().find(|debtor| *debtor != source)
            }
        };
        self.set_progress(slot, BlockProgress::Received(source));
        BlockArrival::Wanted { also_owed_by: other }
    }

    /// Releases a block that a source owes.
    pub(super) fn released(&mut self, source: SourceId, block: Block) {
        let Some(slot) = self.slot(block) else { return };
        match self.blocks.get(slot) {
            Some(BlockProgress::Requested(one, None)) if *one == source => {
                self.set_progress(slot, BlockProgress::Wanted);
            }
            // The other source still owes the block, so it stays requested.
            Some(BlockProgress::Requested(one, Some(other))) if *one == source => {
                self.set_progress(slot, BlockProgress::Requested(*other, None));
            }
            Some(BlockProgress::Requested(one, Some(other))) if *other == source => {
                self.set_progress(slot, BlockProgress::Requested(*one, None));
            }
            _ => {}
        }
    }

    fn block(&self, slot: usize) -> Option<Block> {
        let begin = u32::try_from(slot).ok()?.checked_mul(self.block_length)?;
        // The last block is shorter, and none begins at the end of the piece.
        let rest = self.length.checked_sub(begin)?;
        Block::new(self.index, begin, rest.min(self.block_length))
    }

    /// Returns the table index of a block, if it has the boundaries of this piece's blocks.
    fn slot(&self, block: Block) -> Option<usize> {
        let slot = (block.begin / self.block_length) as usize;
        (self.block(slot) == Some(block)).then_some(slot)
    }

    fn set_progress(&mut self, slot: usize, next: BlockProgress) {
        let Some(progress) = self.blocks.get_mut(slot) else { return };
        // The counts are updated by what the block was and what it becomes.
        let before = std::mem::replace(progress, next);
        match before {
            BlockProgress::Wanted => self.wanted -= 1,
            BlockProgress::Requested(..) => self.requested -= 1,
            BlockProgress::Received(_) => {}
        }
        match next {
            BlockProgress::Wanted => self.wanted += 1,
            BlockProgress::Requested(..) => self.requested += 1,
            BlockProgress::Received(_) => {}
        }
        // Contributions decide whom a bad piece is blamed on, so they follow every change.
        before.sources().for_each(|source| self.remove_contribution(source));
        next.sources().for_each(|source| self.add_contribution(source));
        // The cursor stays at the first wanted block.
        if next == BlockProgress::Wanted {
            self.cursor = self.cursor.min(slot);
        } else if slot == self.cursor {
            let rest = self.blocks.iter().skip(slot);
            self.cursor += rest.take_while(|progress| **progress != BlockProgress::Wanted).count();
        }
        debug_assert!(self.wanted + self.requested <= self.blocks.len(), "each block is counted once");
        debug_assert!(
            self.wanted == 0 || self.blocks.get(self.cursor) == Some(&BlockProgress::Wanted),
            "the cursor is at a wanted block while there is one"
        );
    }

    fn add_contribution(&mut self, source: SourceId) {
        match self.contributions.iter_mut().find(|(other, _)| *other == source) {
            Some((_, blocks)) => *blocks += 1,
            None => self.contributions.push((source, 1)),
        }
    }

    fn remove_contribution(&mut self, source: SourceId) {
        if let Some(index) = self.contributions.iter().position(|(other, _)| *other == source)
            && let Some((_, blocks)) = self.contributions.get_mut(index)
        {
            debug_assert!(*blocks > 0, "contributors without a block are removed");
            *blocks -= 1;
            if *blocks == 0 {
                self.contributions.swap_remove(index);
            }
        }
    }
}

impl BlockProgress {
    /// Returns the sources that owe the block or sent it.
    fn sources(self) -> impl Iterator<Item = SourceId> {
        let (one, other) = match self {
            Self::Wanted => (None, None),
            Self::Requested(one, other) => (Some(one), other),
            Self::Received(source) => (Some(source), None),
        };
        one.into_iter().chain(other)
    }
}
