use protocol::geometry::{Geometry, PieceIndex};

use crate::swarm::random::Random;

/// The missing pieces that nobody was asked for, the rarest first and equals in random order.
///
/// They stand in one table, those of one rarity side by side, and for each piece it is known where it stands. So a piece
/// that becomes rarer or less rare changes places with the one at the border of its equals, which takes the same time
/// however many there are: in a swarm of 200 peers and 65,536 pieces there are millions of such changes.
#[derive(Debug)]
pub(super) struct Order {
    pieces: Vec<PieceIndex>,
    /// For each piece, where it stands in `pieces` if it waits.
    places: Vec<Option<u32>>,
    /// For each piece, how many of the sources that do not have everything have it.
    rarity: Vec<usize>,
    /// For each rarity, where the pieces of it end.
    ends: Vec<usize>,
    random: Random,
}

impl Order {
    pub(super) fn new(geometry: &Geometry, random: Random) -> Self {
        let count = geometry.piece_count() as usize;
        let (places, rarity) = (vec![None; count], vec![0; count]);
        Self { pieces: Vec::new(), places, rarity, ends: vec![0], random }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Returns the waiting pieces in their order; on demand without those that only sources with everything have.
    pub(super) fn iter(&self, only_counted: bool) -> impl Iterator<Item = PieceIndex> {
        let skipped = if only_counted { self.end(0) } else { 0 };
        self.pieces.iter().skip(skipped).copied()
    }

    /// Returns the waiting pieces from a random one on, and then those before it.
    pub(super) fn iter_from_anywhere(&mut self) -> impl Iterator<Item = PieceIndex> {
        let from = below(&mut self.random, self.pieces.len());
        self.pieces.iter().cycle().skip(from).take(self.pieces.len()).copied()
    }

    pub(super) fn waits(&self, piece: PieceIndex) -> bool {
        self.place(piece).is_some()
    }

    /// Returns how many of the sources that do not have everything have a piece.
    pub(super) fn rarity(&self, piece: PieceIndex) -> usize {
        self.rarity.get(piece.slot()).copied().unwrap_or(0)
    }

    /// Notes that one source more has a piece.
    pub(super) fn gained(&mut self, piece: PieceIndex) {
        let rarity = self.rarity(piece);
        self.set_rarity(piece, rarity + 1);
        if let Some(place) = self.place(piece) {
            let border = self.end(rarity).saturating_sub(1);
            self.swap(place, border);
            self.set_end(rarity, border);
            self.mix(border, border, self.end(rarity + 1));
        }
    }

    /// Notes that one source less has a piece.
    pub(super) fn lost(&mut self, piece: PieceIndex) {
        let Some(rarity) = self.rarity(piece).checked_sub(1) else { return };
        self.set_rarity(piece, rarity);
        if let Some(place) = self.place(piece) {
            let border = self.end(rarity);
            self.swap(place, border);
            self.set_end(rarity, border + 1);
            self.mix(border, self.begin(rarity), border + 1);
        }
    }

    /// Lets a piece wait that does not.
    pub(super) fn insert(&mut self, piece: PieceIndex) {
        if self.waits(piece) {
            return;
        }
        let (rarity, mut place) = (self.rarity(piece), self.pieces.len());
        self.pieces.push(piece);
        self.note_place(place);
        for more in (rarity + 1..self.ends.len()).rev() {
            let border = self.begin(more);
            self.swap(place, border);
            self.set_end(more, self.end(more) + 1);
            place = border;
        }
        self.set_end(rarity, place + 1);
        self.mix(place, self.begin(rarity), place + 1);
    }

    /// Takes a piece out, if it waits.
    pub(super) fn remove(&mut self, piece: PieceIndex) {
        let Some(mut place) = self.place(piece) else { return };
        for rarity in self.rarity(piece)..self.ends.len() {
            let border = self.end(rarity).saturating_sub(1);
            self.swap(place, border);
            self.set_end(rarity, border);
            place = border;
        }
        self.pieces.pop();
        if let Some(place) = self.places.get_mut(piece.slot()) {
            *place = None;
        }
    }

    fn place(&self, piece: PieceIndex) -> Option<usize> {
        self.places.get(piece.slot()).copied().flatten().map(|place| place as usize)
    }

    fn begin(&self, rarity: usize) -> usize {
        rarity.checked_sub(1).map_or(0, |less| self.end(less))
    }

    /// Returns where the pieces of a rarity end. There may be none that are so common.
    fn end(&self, rarity: usize) -> usize {
        self.ends.get(rarity).copied().unwrap_or(self.pieces.len())
    }

    fn set_end(&mut self, rarity: usize, end: usize) {
        if let Some(place) = self.ends.get_mut(rarity) {
            *place = end;
        }
    }

    fn set_rarity(&mut self, piece: PieceIndex, rarity: usize) {
        if rarity >= self.ends.len() {
            self.ends.resize(rarity + 1, self.pieces.len());
        }
        if let Some(place) = self.rarity.get_mut(piece.slot()) {
            *place = rarity;
        }
    }

    /// Lets a piece change places with a random one of its equals.
    fn mix(&mut self, place: usize, begin: usize, end: usize) {
        let other = begin + below(&mut self.random, end.saturating_sub(begin));
        self.swap(place, other);
    }

    fn swap(&mut self, one: usize, other: usize) {
        if one < self.pieces.len() && other < self.pieces.len() {
            self.pieces.swap(one, other);
            self.note_place(one);
            self.note_place(other);
        }
    }

    fn note_place(&mut self, place: usize) {
        let Some(piece) = self.pieces.get(place) else { return };
        if let Some(known) = self.places.get_mut(piece.slot()) {
            *known = u32::try_from(place).ok();
        }
    }
}

/// Draws a number below a bound, or 0.
fn below(random: &mut Random, bound: usize) -> usize {
    let drawn = random.draw() >> 32;
    let scaled = (drawn * bound as u64) >> 32;
    usize::try_from(scaled).unwrap_or(0)
}
