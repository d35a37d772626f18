//! The pieces on their way: which of their blocks are here, and who was asked for the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use protocol::geometry::{Block, PieceIndex};

use super::source::SourceId;

/// How far a block has got.
#[derive(Debug, Clone)]
enum Progress {
    /// Nobody was asked, or nobody still owes it.
    Wanted,
    /// It was asked for: of one source, or of a second one as well that may be faster.
    Asked(Vec<(SourceId, Instant)>),
    /// It is here, from this source.
    Here(SourceId),
}

/// A block that one source owes, since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Debt {
    pub(super) block: Block,
    pub(super) debtor: SourceId,
    pub(super) since: Instant,
}

/// A piece of which at least one block was asked for.
#[derive(Debug)]
pub(super) struct ActivePiece {
    blocks: BTreeMap<Block, Progress>,
}

impl ActivePiece {
    fn bytes(&self) -> u64 {
        self.blocks.keys().map(|block| u64::from(block.length)).sum()
    }

    fn is_complete(&self) -> bool {
        self.blocks.values().all(|progress| matches!(progress, Progress::Here(_)))
    }

    /// Says whether nothing of it is here and nobody was asked.
    fn is_untouched(&self) -> bool {
        self.blocks.values().all(|progress| matches!(progress, Progress::Wanted))
    }

    /// Says whether some source is filling it, or it waits for its check.
    fn is_moving(&self) -> bool {
        self.is_complete() || self.blocks.values().any(|progress| matches!(progress, Progress::Asked(_)))
    }

    /// Returns the first block that nobody was asked for.
    pub(super) fn first_wanted(&self) -> Option<Block> {
        self.blocks.iter().find(|(_, progress)| matches!(progress, Progress::Wanted)).map(|(block, _)| *block)
    }

    /// Returns the sources that gave blocks of it or owe some.
    pub(super) fn sources(&self) -> BTreeSet<SourceId> {
        let mut sources = BTreeSet::new();
        for progress in self.blocks.values() {
            match progress {
                Progress::Wanted => {}
                Progress::Asked(debtors) => sources.extend(debtors.iter().map(|(debtor, _)| *debtor)),
                Progress::Here(giver) => {
                    sources.insert(*giver);
                }
            }
        }
        sources
    }

    /// Returns the blocks that exactly one source owes.
    pub(super) fn debts(&self) -> impl Iterator<Item = Debt> {
        self.blocks.iter().filter_map(|(block, progress)| match progress {
            Progress::Asked(debtors) => match debtors.as_slice() {
                [(debtor, since)] => Some(Debt { block: *block, debtor: *debtor, since: *since }),
                _ => None,
            },
            _ => None,
        })
    }
}

/// All pieces on their way.
#[derive(Debug, Default)]
pub(super) struct ActivePieces {
    pieces: BTreeMap<PieceIndex, ActivePiece>,
    /// Pieces that failed with several givers: next time one source alone fills them, so that the culprit shows.
    solo: BTreeSet<PieceIndex>,
}

impl ActivePieces {
    pub(super) fn iter(&self) -> impl Iterator<Item = (PieceIndex, &ActivePiece)> {
        self.pieces.iter().map(|(piece, active)| (*piece, active))
    }

    pub(super) fn open(&mut self, piece: PieceIndex, blocks: impl Iterator<Item = Block>) -> Option<Block> {
        let blocks: BTreeMap<Block, Progress> = blocks.map(|block| (block, Progress::Wanted)).collect();
        let first = blocks.keys().next().copied();
        self.pieces.insert(piece, ActivePiece { blocks });
        first
    }

    /// Returns the bytes of all pieces that move; those that wait for a source they lost are not counted, so that they
    /// cannot keep others out for ever.
    pub(super) fn moving_bytes(&self) -> u64 {
        self.pieces.values().filter(|piece| piece.is_moving()).map(ActivePiece::bytes).sum()
    }

    pub(super) fn is_solo(&self, piece: PieceIndex) -> bool {
        self.solo.contains(&piece)
    }

    fn progress(&mut self, block: Block) -> Option<&mut Progress> {
        self.pieces.get_mut(&block.piece)?.blocks.get_mut(&block)
    }

    pub(super) fn asked(&mut self, source: SourceId, block: Block, now: Instant) {
        match self.progress(block) {
            Some(Progress::Asked(debtors)) => debtors.push((source, now)),
            Some(progress @ Progress::Wanted) => *progress = Progress::Asked(vec![(source, now)]),
            Some(Progress::Here(_)) | None => {}
        }
    }

    pub(super) fn is_asked(&mut self, source: SourceId, block: Block) -> bool {
        match self.progress(block) {
            Some(Progress::Asked(debtors)) => debtors.iter().any(|(debtor, _)| *debtor == source),
            _ => false,
        }
    }

    /// Takes in a block. Returns the other sources that owe it, or nothing if it is not wanted.
    pub(super) fn arrived(&mut self, source: SourceId, block: Block) -> Option<Vec<SourceId>> {
        let progress = self.progress(block)?;
        let others = match progress {
            Progress::Here(_) => return None,
            Progress::Wanted => Vec::new(),
            Progress::Asked(debtors) => {
                debtors.iter().map(|(debtor, _)| *debtor).filter(|debtor| *debtor != source).collect()
            }
        };
        *progress = Progress::Here(source);
        Some(others)
    }

    pub(super) fn is_complete(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(ActivePiece::is_complete)
    }

    /// Forgets that a source owes a block. Returns the piece if nothing of it is left here.
    pub(super) fn released(&mut self, source: SourceId, block: Block) -> Option<PieceIndex> {
        if let Some(progress) = self.progress(block) {
            release(progress, source);
        }
        self.drop_untouched(block.piece)
    }

    /// Forgets all that a source owes. Returns the pieces of which nothing is left here.
    pub(super) fn forget_source(&mut self, source: SourceId) -> Vec<PieceIndex> {
        for progress in self.pieces.values_mut().flat_map(|piece| piece.blocks.values_mut()) {
            release(progress, source);
        }
        let pieces: Vec<PieceIndex> = self.pieces.keys().copied().collect();
        pieces.into_iter().filter_map(|piece| self.drop_untouched(piece)).collect()
    }

    fn drop_untouched(&mut self, piece: PieceIndex) -> Option<PieceIndex> {
        self.pieces.get(&piece)?.is_untouched().then(|| self.pieces.remove(&piece))?;
        Some(piece)
    }

    /// Closes a piece that was checked, and returns who gave it.
    pub(super) fn finished(&mut self, piece: PieceIndex, good: bool) -> Vec<SourceId> {
        let givers: Vec<SourceId> = self
            .pieces
            .remove(&piece)
            .map(|active| active.sources().into_iter().collect())
            .unwrap_or_default();
        if good {
            self.solo.remove(&piece);
        } else if givers.len() > 1 {
            self.solo.insert(piece);
        }
        givers
    }
}

fn release(progress: &mut Progress, source: SourceId) {
    if let Progress::Asked(debtors) = progress {
        debtors.retain(|(debtor, _)| *debtor != source);
        if debtors.is_empty() {
            *progress = Progress::Wanted;
        }
    }
}
