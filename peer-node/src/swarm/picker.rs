//! Which missing piece comes next: the rarest.

use std::collections::BTreeSet;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};

use super::random::Random;
use super::source::Have;

#[cfg(test)]
mod tests;

/// Where a missing piece stands in the order: the number of sources that have it, then a random tie-breaker.
type Place = (u32, u32, PieceIndex);

/// Keeps the missing pieces in the order in which they shall be fetched.
///
/// Sources that have everything change no order and are not counted, so a swarm of seeds costs nothing here; a source
/// that has some pieces costs a step for each.
#[derive(Debug)]
pub(super) struct Picker {
    /// The missing pieces that nobody was asked for, the next one first.
    order: BTreeSet<Place>,
    /// For each piece, how many of the sources that do not have everything have it.
    rarity: Vec<u32>,
    /// For each piece, its tie-breaker.
    ties: Vec<u32>,
    done: Bitfield,
    geometry: Geometry,
}

impl Picker {
    pub(super) fn new(geometry: &Geometry, mut random: Random, is_here: impl Fn(PieceIndex) -> bool) -> Self {
        let mut done = Bitfield::empty(geometry);
        let last = geometry.last_piece();
        // The last piece wins every tie: once it matches, the manifest's last state is proven.
        let ties = geometry
            .pieces()
            .map(
                |piece| if Some(piece) == last { 0 } else { u32::try_from(random.draw() >> 32).unwrap_or(0) },
            )
            .collect();
        geometry.pieces().filter(|piece| is_here(*piece)).for_each(|piece| {
            done.insert(piece);
        });
        let rarity = vec![0; geometry.piece_count() as usize];
        let mut picker = Self { order: BTreeSet::new(), rarity, ties, done, geometry: *geometry };
        picker.order = picker.missing().map(|piece| picker.place(piece)).collect();
        picker
    }

    fn place(&self, piece: PieceIndex) -> Place {
        let at = |table: &[u32]| table.get(piece.slot()).copied().unwrap_or(0);
        (at(&self.rarity), at(&self.ties), piece)
    }

    /// Changes a piece's rarity and, if it waits, its place.
    fn shift(&mut self, piece: PieceIndex, change: impl Fn(u32) -> u32) {
        let waits = self.order.remove(&self.place(piece));
        if let Some(rarity) = self.rarity.get_mut(piece.slot()) {
            *rarity = change(*rarity);
        }
        if waits {
            self.order.insert(self.place(piece));
        }
    }

    pub(super) fn piece_gained(&mut self, piece: PieceIndex) {
        self.shift(piece, |rarity| rarity.saturating_add(1));
    }

    fn piece_lost(&mut self, piece: PieceIndex) {
        self.shift(piece, |rarity| rarity.saturating_sub(1));
    }

    pub(super) fn source_joined(&mut self, have: &Have) {
        self.each(have, Self::piece_gained);
    }

    pub(super) fn source_left(&mut self, have: &Have) {
        self.each(have, Self::piece_lost);
    }

    fn each(&mut self, have: &Have, change: impl Fn(&mut Self, PieceIndex)) {
        if let Have::Some(pieces) = have {
            for piece in self.geometry.pieces().filter(|piece| pieces.has(*piece)) {
                change(self, piece);
            }
        }
    }

    /// Takes in that a source turned out not to have a piece. If it was thought to have everything until now, it was not
    /// counted, and the pieces it is still thought to have are counted from now on.
    pub(super) fn piece_withdrawn(&mut self, piece: PieceIndex, left: &Have, was_all: bool) {
        if was_all {
            self.source_joined(left);
        } else {
            self.piece_lost(piece);
        }
    }

    /// Takes the next piece that `may_give` accepts out of the order.
    pub(super) fn take(&mut self, may_give: impl Fn(PieceIndex) -> bool) -> Option<PieceIndex> {
        let place = *self.order.iter().find(|(_, _, piece)| may_give(*piece))?;
        self.order.remove(&place);
        Some(place.2)
    }

    /// Takes a random piece that `may_give` accepts out of the order; the last one only if there is no other.
    pub(super) fn take_random(&mut self, may_give: impl Fn(PieceIndex) -> bool) -> Option<PieceIndex> {
        let fitting = self.order.iter().filter(|(_, _, piece)| may_give(*piece));
        let last = self.geometry.last_piece();
        let place = *fitting.min_by_key(|(_, tie, piece)| (Some(*piece) == last, *tie))?;
        self.order.remove(&place);
        Some(place.2)
    }

    /// Puts a piece back that was taken and is not here after all.
    pub(super) fn put_back(&mut self, piece: PieceIndex) {
        if !self.done.has(piece) {
            self.order.insert(self.place(piece));
        }
    }

    pub(super) fn piece_done(&mut self, piece: PieceIndex) {
        self.order.remove(&self.place(piece));
        self.done.insert(piece);
    }

    /// Returns the pieces that are not here yet.
    pub(super) fn missing(&self) -> impl Iterator<Item = PieceIndex> {
        self.geometry.pieces().filter(|piece| !self.done.has(*piece))
    }

    pub(super) fn is_done(&self, piece: PieceIndex) -> bool {
        self.done.has(piece)
    }

    pub(super) fn done_count(&self) -> u32 {
        self.done.count()
    }
}
