use protocol::geometry::{Geometry, PieceIndex};
use protocol::seeded_random::SeededRandom;

/// The missing, unrequested pieces, rarest first and equals in random order.
///
/// A table holds the pieces of each rarity side by side, and the position of each piece in it is known. A piece whose rarity
/// changes swaps places with the one at the border of its group, which takes constant time; large swarms need millions of
/// such changes.
#[derive(Debug)]
pub(super) struct RarityOrder {
    pieces: Vec<PieceIndex>,
    /// For each piece, its position in `pieces`, if it is waiting.
    positions: Vec<Option<u32>>,
    /// For each piece, how many of the incomplete sources have it.
    rarity: Vec<usize>,
    /// For each rarity, the end of its group in `pieces`.
    ends: Vec<usize>,
    random: SeededRandom,
}

impl RarityOrder {
    pub(super) fn new(geometry: &Geometry, random: SeededRandom) -> Self {
        let count = geometry.piece_count() as usize;
        let (positions, rarity) = (vec![None; count], vec![0; count]);
        Self { pieces: Vec::new(), positions, rarity, ends: vec![0], random }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Returns the waiting pieces in order; if `only_counted`, without those that only complete sources have.
    pub(super) fn iter(&self, only_counted: bool) -> impl Iterator<Item = PieceIndex> {
        // Group 0 holds the pieces that no counted source has.
        let skipped = if only_counted { self.end_of(0) } else { 0 };
        self.pieces.iter().skip(skipped).copied()
    }

    /// Returns the waiting pieces from a random one on, then those before it.
    pub(super) fn iter_from_anywhere(&mut self) -> impl Iterator<Item = PieceIndex> {
        let from = random_below(&mut self.random, self.pieces.len());
        self.pieces.iter().cycle().skip(from).take(self.pieces.len()).copied()
    }

    pub(super) fn contains(&self, piece: PieceIndex) -> bool {
        self.position(piece).is_some()
    }

    /// Returns how many of the incomplete sources have a piece.
    pub(super) fn rarity(&self, piece: PieceIndex) -> usize {
        self.rarity.get(piece.as_usize()).copied().unwrap_or(0)
    }

    /// Records that one more source has a piece.
    pub(super) fn piece_gained(&mut self, piece: PieceIndex) {
        let rarity = self.rarity(piece);
        // Counted even while the piece is not waiting, since it may be put back later.
        self.set_rarity(piece, rarity + 1);
        if let Some(position) = self.position(piece) {
            // At the end of its group, the piece joins the next group when the border moves down by one.
            let border = self.end_of(rarity).saturating_sub(1);
            self.swap(position, border);
            self.set_end_of(rarity, border);
            self.shuffle_in(border, border, self.end_of(rarity + 1));
        }
        debug_assert!(self.is_in_its_group(piece), "a piece that is waiting moves to the next group");
    }

    /// Records that one source fewer has a piece.
    pub(super) fn piece_lost(&mut self, piece: PieceIndex) {
        let Some(rarity) = self.rarity(piece).checked_sub(1) else { return };
        self.set_rarity(piece, rarity);
        if let Some(position) = self.position(piece) {
            // At the start of its old group, the piece joins the rarer group when the border moves up by one.
            let border = self.end_of(rarity);
            self.swap(position, border);
            self.set_end_of(rarity, border + 1);
            self.shuffle_in(border, self.start_of(rarity), border + 1);
        }
        debug_assert!(self.is_in_its_group(piece), "a piece that is waiting moves to the rarer group");
    }

    /// Adds a piece to the waiting ones.
    pub(super) fn insert(&mut self, piece: PieceIndex) {
        if self.contains(piece) {
            return;
        }
        // It may have become more or less common while it was in progress.
        let (rarity, mut position) = (self.rarity(piece), self.pieces.len());
        self.pieces.push(piece);
        self.note_position(position);
        // Added at the end of the table, the piece moves in front of each more common group by a swap with its first piece.
        for more in (rarity + 1..self.ends.len()).rev() {
            let border = self.start_of(more);
            self.swap(position, border);
            self.set_end_of(more, self.end_of(more) + 1);
            position = border;
        }
        self.set_end_of(rarity, position + 1);
        self.shuffle_in(position, self.start_of(rarity), position + 1);
        debug_assert!(self.is_in_its_group(piece), "a new piece passes all more common ones");
        debug_assert_eq!(self.ends.last(), Some(&self.pieces.len()), "the last group ends with the table");
    }

    /// Removes a piece, if it is waiting.
    pub(super) fn remove(&mut self, piece: PieceIndex) {
        let Some(mut position) = self.position(piece) else { return };
        // The piece moves to the end of its group and of each more common one, and so to the end of the table.
        for rarity in self.rarity(piece)..self.ends.len() {
            let border = self.end_of(rarity).saturating_sub(1);
            self.swap(position, border);
            self.set_end_of(rarity, border);
            position = border;
        }
        self.pieces.pop();
        if let Some(position) = self.positions.get_mut(piece.as_usize()) {
            *position = None;
        }
        debug_assert_eq!(self.ends.last(), Some(&self.pieces.len()), "the last group ends with the table");
    }

    /// Returns true if a piece is among those of its rarity, or not waiting.
    fn is_in_its_group(&self, piece: PieceIndex) -> bool {
        let rarity = self.rarity(piece);
        self.position(piece)
            .is_none_or(|position| (self.start_of(rarity)..self.end_of(rarity)).contains(&position))
    }

    fn position(&self, piece: PieceIndex) -> Option<usize> {
        self.positions.get(piece.as_usize()).copied().flatten().map(|position| position as usize)
    }

    fn start_of(&self, rarity: usize) -> usize {
        rarity.checked_sub(1).map_or(0, |less| self.end_of(less))
    }

    /// Returns the end of a rarity's group, which is the end of the table if no piece is that common.
    fn end_of(&self, rarity: usize) -> usize {
        self.ends.get(rarity).copied().unwrap_or(self.pieces.len())
    }

    fn set_end_of(&mut self, rarity: usize, end: usize) {
        if let Some(entry) = self.ends.get_mut(rarity) {
            *entry = end;
        }
    }

    fn set_rarity(&mut self, piece: PieceIndex, rarity: usize) {
        if rarity >= self.ends.len() {
            // New groups are empty and end where the table ends.
            self.ends.resize(rarity + 1, self.pieces.len());
        }
        if let Some(entry) = self.rarity.get_mut(piece.as_usize()) {
            *entry = rarity;
        }
    }

    /// Swaps a piece with a random one of its group.
    fn shuffle_in(&mut self, position: usize, begin: usize, end: usize) {
        // Equals are in random order, so that leechers do not all fetch the same piece first.
        let other = begin + random_below(&mut self.random, end.saturating_sub(begin));
        self.swap(position, other);
    }

    fn swap(&mut self, one: usize, other: usize) {
        if one < self.pieces.len() && other < self.pieces.len() {
            self.pieces.swap(one, other);
            self.note_position(one);
            self.note_position(other);
        }
    }

    fn note_position(&mut self, position: usize) {
        let Some(piece) = self.pieces.get(position) else { return };
        if let Some(known) = self.positions.get_mut(piece.as_usize()) {
            *known = u32::try_from(position).ok();
        }
    }
}

/// Draws a random number below `bound`, or 0 if that is 0.
fn random_below(random: &mut SeededRandom, bound: usize) -> usize {
    let drawn = random.next_u64() >> 32;
    // Scaling by multiplication is fair enough here and needs no division.
    let scaled = (drawn * bound as u64) >> 32;
    usize::try_from(scaled).unwrap_or(0)
}
