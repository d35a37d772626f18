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
    bytes: u64,
    /// How many of its blocks are [`Progress::Wanted`], and how many [`Progress::Asked`]; counted, because with the small
    /// blocks of BitTorrent looking through them at every step would cost more than receiving them.
    wanted: usize,
    asked: usize,
}

impl ActivePiece {
    fn new(blocks: impl Iterator<Item = Block>) -> Self {
        let blocks: BTreeMap<Block, Progress> = blocks.map(|block| (block, Progress::Wanted)).collect();
        let bytes = blocks.keys().map(|block| u64::from(block.length)).sum();
        let wanted = blocks.len();
        Self { blocks, bytes, wanted, asked: 0 }
    }

    /// Changes how far a block has got, and the counts with it.
    fn change<T>(&mut self, block: Block, change: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        let progress = self.blocks.get_mut(&block)?;
        let counts = |progress: &Progress| match progress {
            Progress::Wanted => (1, 0),
            Progress::Asked(_) => (0, 1),
            Progress::Here(_) => (0, 0),
        };
        let before = counts(progress);
        let result = change(progress);
        let after = counts(progress);
        self.wanted = self.wanted + after.0 - before.0;
        self.asked = self.asked + after.1 - before.1;
        Some(result)
    }

    const fn is_complete(&self) -> bool {
        self.wanted == 0 && self.asked == 0
    }

    /// Says whether nothing of it is here and nobody was asked.
    fn is_untouched(&self) -> bool {
        self.wanted == self.blocks.len()
    }

    /// Says whether some source is filling it, or it waits for its check.
    const fn is_moving(&self) -> bool {
        self.is_complete() || self.asked > 0
    }

    /// Returns the first block that nobody was asked for.
    pub(super) fn first_wanted(&self) -> Option<Block> {
        if self.wanted == 0 {
            return None;
        }
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
        let blocks = if self.asked > 0 { Some(&self.blocks) } else { None };
        blocks.into_iter().flatten().filter_map(|(block, progress)| match progress {
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
        let active = ActivePiece::new(blocks);
        let first = active.first_wanted();
        self.pieces.insert(piece, active);
        first
    }

    /// Returns the bytes of all pieces that move; those that wait for a source they lost are not counted, so that they
    /// cannot keep others out for ever.
    pub(super) fn moving_bytes(&self) -> u64 {
        self.pieces.values().filter(|piece| piece.is_moving()).map(|piece| piece.bytes).sum()
    }

    /// Forgets one of the pieces that wait for a source they lost, if those are more than so many bytes. Returns which.
    pub(super) fn drop_stranded(&mut self, budget: u64) -> Option<PieceIndex> {
        let stranded = || self.pieces.iter().filter(|(_, active)| !active.is_moving());
        let bytes: u64 = stranded().map(|(_, active)| active.bytes).sum();
        let piece = stranded().map(|(piece, _)| *piece).next().filter(|_| bytes > budget)?;
        self.pieces.remove(&piece);
        Some(piece)
    }

    pub(super) fn is_solo(&self, piece: PieceIndex) -> bool {
        self.solo.contains(&piece)
    }

    fn change<T>(&mut self, block: Block, change: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        self.pieces.get_mut(&block.piece)?.change(block, change)
    }

    pub(super) fn asked(&mut self, source: SourceId, block: Block, now: Instant) {
        self.change(block, |progress| match progress {
            Progress::Asked(debtors) => debtors.push((source, now)),
            Progress::Wanted => *progress = Progress::Asked(vec![(source, now)]),
            Progress::Here(_) => {}
        });
    }

    pub(super) fn is_asked(&self, source: SourceId, block: Block) -> bool {
        match self.pieces.get(&block.piece).and_then(|active| active.blocks.get(&block)) {
            Some(Progress::Asked(debtors)) => debtors.iter().any(|(debtor, _)| *debtor == source),
            _ => false,
        }
    }

    /// Takes in a block. Returns the other sources that owe it, or nothing if it is not wanted.
    pub(super) fn arrived(&mut self, source: SourceId, block: Block) -> Option<Vec<SourceId>> {
        self.change(block, |progress| {
            let others = match progress {
                Progress::Here(_) => return None,
                Progress::Wanted => Vec::new(),
                Progress::Asked(debtors) => {
                    debtors.iter().map(|(debtor, _)| *debtor).filter(|debtor| *debtor != source).collect()
                }
            };
            *progress = Progress::Here(source);
            Some(others)
        })?
    }

    pub(super) fn is_complete(&self, piece: PieceIndex) -> bool {
        self.pieces.get(&piece).is_some_and(ActivePiece::is_complete)
    }

    /// Forgets that a source owes a block. Returns the piece if nothing of it is left here.
    pub(super) fn released(&mut self, source: SourceId, block: Block) -> Option<PieceIndex> {
        self.change(block, |progress| release(progress, source));
        self.drop_untouched(block.piece)
    }

    /// Forgets that a source owes these blocks. Returns the pieces of which nothing is left here.
    pub(super) fn forget_source(
        &mut self,
        source: SourceId,
        owed: impl Iterator<Item = Block>,
    ) -> Vec<PieceIndex> {
        owed.filter_map(|block| self.released(source, block)).collect()
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
