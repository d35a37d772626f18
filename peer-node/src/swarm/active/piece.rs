use protocol::geometry::{Block, Geometry, PieceIndex};

use crate::swarm::source::SourceId;

/// How far a block has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nobody was asked, or nobody still owes it.
    Wanted,
    /// One source was asked for it, and perhaps a second one that may be faster.
    Asked(SourceId, Option<SourceId>),
    /// It is here, from this source.
    Here(SourceId),
}

/// What became of a block that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::swarm) enum Arrival {
    /// It is here already, or was never to come.
    Unwanted,
    /// It was missing; perhaps another source owes it, and need not send it any more.
    Wanted { also_owed_by: Option<SourceId> },
}

/// A piece of which at least one block was asked for.
///
/// A piece of BitTorrent may have 4096 blocks. So they stand in a table, and all that is asked about them at every step
/// is counted.
#[derive(Debug)]
pub(in crate::swarm) struct ActivePiece {
    index: PieceIndex,
    length: u32,
    block_length: u32,
    blocks: Vec<Progress>,
    /// The first block that is wanted, if any is.
    cursor: usize,
    wanted: usize,
    asked: usize,
    /// How many blocks each source gave or owes.
    shares: Vec<(SourceId, usize)>,
}

impl ActivePiece {
    pub(super) fn new(geometry: &Geometry, index: PieceIndex, block_length: u32) -> Self {
        let (length, block_length) = (geometry.length_of(index), block_length.max(1));
        let wanted = length.div_ceil(block_length) as usize;
        let (blocks, shares) = (vec![Progress::Wanted; wanted], Vec::new());
        Self { index, length, block_length, blocks, cursor: 0, wanted, asked: 0, shares }
    }

    pub(in crate::swarm) const fn index(&self) -> PieceIndex {
        self.index
    }

    pub(super) fn bytes(&self) -> u64 {
        self.length.into()
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.wanted == 0 && self.asked == 0
    }

    /// Says whether nothing of it is here and nobody was asked.
    pub(super) const fn is_untouched(&self) -> bool {
        self.wanted == self.blocks.len()
    }

    /// Says whether some source is filling it, or it waits for its check.
    pub(super) const fn is_moving(&self) -> bool {
        self.is_complete() || self.asked > 0
    }

    /// Says whether there is a block that nobody was asked for.
    pub(super) const fn is_open(&self) -> bool {
        self.wanted > 0
    }

    /// Returns the first block that nobody was asked for.
    pub(in crate::swarm) fn first_wanted(&self) -> Option<Block> {
        self.is_open().then(|| self.block(self.cursor)).flatten()
    }

    /// Returns the sources that gave blocks of it or owe some.
    pub(in crate::swarm) fn sources(&self) -> impl Iterator<Item = SourceId> {
        self.shares.iter().map(|(source, _)| *source)
    }

    /// Says whether a source gave blocks of it or owes some.
    pub(in crate::swarm) fn is_given_by(&self, source: SourceId) -> bool {
        self.sources().any(|other| other == source)
    }

    /// Returns who owes a block: one source, and perhaps a second one.
    pub(super) fn debtors(&self, block: Block) -> Option<(SourceId, Option<SourceId>)> {
        match self.blocks.get(self.slot(block)?)? {
            Progress::Asked(one, other) => Some((*one, *other)),
            Progress::Wanted | Progress::Here(_) => None,
        }
    }

    pub(super) fn asked(&mut self, source: SourceId, block: Block) {
        let Some(slot) = self.slot(block) else { return };
        match self.blocks.get(slot) {
            Some(Progress::Wanted) => self.put(slot, Progress::Asked(source, None)),
            Some(Progress::Asked(one, None)) => self.put(slot, Progress::Asked(*one, Some(source))),
            _ => {}
        }
    }

    pub(super) fn arrived(&mut self, source: SourceId, block: Block) -> Arrival {
        let Some(slot) = self.slot(block) else { return Arrival::Unwanted };
        let other = match self.blocks.get(slot).copied() {
            None | Some(Progress::Here(_)) => return Arrival::Unwanted,
            Some(Progress::Wanted) => None,
            Some(Progress::Asked(one, other)) => {
                [Some(one), other].into_iter().flatten().find(|debtor| *debtor != source)
            }
        };
        self.put(slot, Progress::Here(source));
        Arrival::Wanted { also_owed_by: other }
    }

    /// Forgets that a source owes a block.
    pub(super) fn released(&mut self, source: SourceId, block: Block) {
        let Some(slot) = self.slot(block) else { return };
        match self.blocks.get(slot) {
            Some(Progress::Asked(one, None)) if *one == source => self.put(slot, Progress::Wanted),
            Some(Progress::Asked(one, Some(other))) if *one == source => {
                self.put(slot, Progress::Asked(*other, None));
            }
            Some(Progress::Asked(one, Some(other))) if *other == source => {
                self.put(slot, Progress::Asked(*one, None));
            }
            _ => {}
        }
    }

    fn block(&self, slot: usize) -> Option<Block> {
        let begin = u32::try_from(slot).ok()?.checked_mul(self.block_length)?;
        let rest = self.length.checked_sub(begin)?;
        Some(Block { piece: self.index, begin, length: rest.min(self.block_length) })
    }

    /// Returns where a block stands in the table, if the piece is cut so.
    fn slot(&self, block: Block) -> Option<usize> {
        let slot = (block.begin / self.block_length) as usize;
        (self.block(slot) == Some(block)).then_some(slot)
    }

    fn put(&mut self, slot: usize, next: Progress) {
        let Some(progress) = self.blocks.get_mut(slot) else { return };
        let before = std::mem::replace(progress, next);
        match before {
            Progress::Wanted => self.wanted -= 1,
            Progress::Asked(..) => self.asked -= 1,
            Progress::Here(_) => {}
        }
        match next {
            Progress::Wanted => self.wanted += 1,
            Progress::Asked(..) => self.asked += 1,
            Progress::Here(_) => {}
        }
        before.sources().for_each(|source| self.takes_back(source));
        next.sources().for_each(|source| self.shares(source));
        if next == Progress::Wanted {
            self.cursor = self.cursor.min(slot);
        } else if slot == self.cursor {
            let rest = self.blocks.iter().skip(slot);
            self.cursor += rest.take_while(|progress| **progress != Progress::Wanted).count();
        }
    }

    fn shares(&mut self, source: SourceId) {
        match self.shares.iter_mut().find(|(other, _)| *other == source) {
            Some((_, blocks)) => *blocks += 1,
            None => self.shares.push((source, 1)),
        }
    }

    fn takes_back(&mut self, source: SourceId) {
        if let Some(place) = self.shares.iter().position(|(other, _)| *other == source)
            && let Some((_, blocks)) = self.shares.get_mut(place)
        {
            *blocks -= 1;
            if *blocks == 0 {
                self.shares.swap_remove(place);
            }
        }
    }
}

impl Progress {
    /// Returns who owes the block or gave it.
    fn sources(self) -> impl Iterator<Item = SourceId> {
        let (one, other) = match self {
            Self::Wanted => (None, None),
            Self::Asked(one, other) => (Some(one), other),
            Self::Here(giver) => (Some(giver), None),
        };
        one.into_iter().chain(other)
    }
}
