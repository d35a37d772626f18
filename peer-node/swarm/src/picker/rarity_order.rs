use protocol::geometry::{Geometry, PieceIndex};

use crate::random::SeededRandom;

/// The missing pieces that nobody was asked for, the rarest first and equals in random order.
///
/// They stand in one table, those of one rarity side by side, and for each piece it is known where it stands. So a piece
/// that becomes rarer or less rare changes places with the one at the border of its equals, which takes the same time
/// however many there are: in a swarm of 200 peers and 65,536 pieces there are millions of such changes.
#[derive(Debug)]
pub(super) struct RarityOrder {
    pieces: Vec<PieceIndex>,
    /// For each piece, where it stands in `pieces` if it waits.
    positions: Vec<Option<u32>>,
    /// For each piece, how many of the sources that do not have everything have it.
    rarity: Vec<usize>,
    /// For each rarity, where the pieces of it end.
    ends: Vec<usize>,
    random: SeededRandom,
}

impl RarityOrder {
    pub(super) fn new(geometry: &Geometry, random: SeededRandom) -> Self {
        let count = geometry.piece_count() as usize;
        let (places, rarity) = (vec![None; count], vec![0; count]);
        Self { pieces: Vec::new(), positions: places, rarity, ends: vec![0], random }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Returns the waiting pieces in their order; on demand without those that only sources with everything have.
    pub(super) fn iter(&self, only_counted: bool) -> impl Iterator<Item = PieceIndex> {
        let skipped = if only_counted { self.end_of(0) } else { 0 };
        self.pieces.iter().skip(skipped).copied()
    }

    /// Returns the waiting pieces from a random one on, and then those before it.
    pub(super) fn iter_from_anywhere(&mut self) -> impl Iterator<Item = PieceIndex> {
        let from = random_below(&mut self.random, self.pieces.len());
        self.pieces.iter().cycle().skip(from).take(self.pieces.len()).copied()
    }

    pub(super) fn contains(&self, piece: PieceIndex) -> bool {
        self.position(piece).is_some()
    }

    /// Returns how many of the sources that do not have everything have a piece.
    pub(super) fn rarity(&self, piece: PieceIndex) -> usize {
        self.rarity.get(piece.as_usize()).copied().unwrap_or(0)
    }

    /// Notes that one source more has a piece.
    pub(super) fn piece_gained(&mut self, piece: PieceIndex) {
        let rarity = self.rarity(piece);
        self.set_rarity(piece, rarity + 1);
        if let Some(place) = self.position(piece) {
            let border = self.end_of(rarity).saturating_sub(1);
            self.swap(place, border);
            self.set_end_of(rarity, border);
            self.shuffle_in(border, border, self.end_of(rarity + 1));
        }
    }

    /// Notes that one source less has a piece.
    pub(super) fn piece_lost(&mut self, piece: PieceIndex) {
        let Some(rarity) = self.rarity(piece).checked_sub(1) else { return };
        self.set_rarity(piece, rarity);
        if let Some(place) = self.position(piece) {
            let border = self.end_of(rarity);
            self.swap(place, border);
            self.set_end_of(rarity, border + 1);
            self.shuffle_in(border, self.start_of(rarity), border + 1);
        }
    }

    /// Lets a piece wait that does not.
    pub(super) fn insert(&mut self, piece: PieceIndex) {
        if self.contains(piece) {
            return;
        }
        let (rarity, mut place) = (self.rarity(piece), self.pieces.len());
        self.pieces.push(piece);
        self.note_position(place);
        for more in (rarity + 1..self.ends.len()).rev() {
            let border = self.start_of(more);
            self.swap(place, border);
            self.set_end_of(more, self.end_of(more) + 1);
            place = border;
        }
        self.set_end_of(rarity, place + 1);
        self.shuffle_in(place, self.start_of(rarity), place + 1);
    }

    /// Takes a piece out, if it waits.
    pub(super) fn remove(&mut self, piece: PieceIndex) {
        let Some(mut place) = self.position(piece) else { return };
        for rarity in self.rarity(piece)..self.ends.len() {
            let border = self.end_of(rarity).saturating_sub(1);
            self.swap(place, border);
            self.set_end_of(rarity, border);
            place = border;
        }
        self.pieces.pop();
        if let Some(place) = self.positions.get_mut(piece.as_usize()) {
            *place = None;
        }
    }

    fn position(&self, piece: PieceIndex) -> Option<usize> {
        self.positions.get(piece.as_usize()).copied().flatten().map(|place| place as usize)
    }

    fn start_of(&self, rarity: usize) -> usize {
        rarity.checked_sub(1).map_or(0, |less| self.end_of(less))
    }

    /// Returns where the pieces of a rarity end. There may be none that are so common.
    fn end_of(&self, rarity: usize) -> usize {
        self.ends.get(rarity).copied().unwrap_or(self.pieces.len())
    }

    fn set_end_of(&mut self, rarity: usize, end: usize) {
        if let Some(place) = self.ends.get_mut(rarity) {
            *place = end;
        }
    }

    fn set_rarity(&mut self, piece: PieceIndex, rarity: usize) {
        if rarity >= self.ends.len() {
            self.ends.resize(rarity + 1, self.pieces.len());
        }
        if let Some(place) = self.rarity.get_mut(piece.as_usize()) {
            *place = rarity;
        }
    }

    /// Lets a piece change places with a random one of its equals.
    fn shuffle_in(&mut self, place: usize, begin: usize, end: usize) {
        let other = begin + random_below(&mut self.random, end.saturating_sub(begin));
        self.swap(place, other);
    }

    fn swap(&mut self, one: usize, other: usize) {
        if one < self.pieces.len() && other < self.pieces.len() {
            self.pieces.swap(one, other);
            self.note_position(one);
            self.note_position(other);
        }
    }

    fn note_position(&mut self, place: usize) {
        let Some(piece) = self.pieces.get(place) else { return };
        if let Some(known) = self.positions.get_mut(piece.as_usize()) {
            *known = u32::try_from(place).ok();
        }
    }
}

/// Draws a number below a bound, or 0.
fn random_below(random: &mut SeededRandom, bound: usize) -> usize {
    let drawn = random.next_u64() >> 32;
    let scaled = (drawn * bound as u64) >> 32;
    usize::try_from(scaled).unwrap_or(0)
}
