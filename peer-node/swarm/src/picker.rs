//! Picks the next piece to fetch: rarest first.

use std::collections::BTreeSet;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::seeded_random::SeededRandom;

use super::have::Have;
use rarity_order::RarityOrder;

mod rarity_order;
#[cfg(test)]
mod tests;

/// Keeps the missing pieces in the order in which they should be fetched.
///
/// Sources that have everything do not affect the order and are not counted, so a swarm of seeds costs nothing here. Other
/// sources cost one step per piece.
#[derive(Debug)]
pub(super) struct Picker {
    order: RarityOrder,
    done: Bitfield,
    done_count: u32,
    geometry: Geometry,
    /// Pieces that come before all others.
    prioritised: BTreeSet<PieceIndex>,
}

impl Picker {
    pub(super) fn new(geometry: &Geometry, random: SeededRandom, have: impl Fn(PieceIndex) -> bool) -> Self {
        let (mut order, mut done) = (RarityOrder::new(geometry, random), Bitfield::empty(geometry));
        for piece in geometry.pieces() {
            // Pieces on disk never enter the order, so a resumed download costs no more than what is missing.
            if have(piece) {
                done.insert(piece);
            } else {
                order.insert(piece);
            }
        }
        let done_count = done.count();
        Self { order, done, done_count, geometry: *geometry, prioritised: BTreeSet::new() }
    }

    /// Moves a missing piece before all others.
    pub(super) fn prioritise(&mut self, piece: PieceIndex) {
        if !self.done.has(piece) {
            self.prioritised.insert(piece);
        }
    }

    /// Takes a prioritised piece that `fits` accepts.
    fn take_prioritised(&mut self, fits: impl Fn(&PieceIndex) -> bool) -> Option<PieceIndex> {
        // A prioritised piece that is in progress or complete is not in the order.
        let is_available = |piece: &&PieceIndex| self.order.contains(**piece) && fits(piece);
        let piece = self.prioritised.iter().find(is_available).copied()?;
        self.order.remove(piece);
        Some(piece)
    }

    pub(super) fn piece_gained(&mut self, piece: PieceIndex) {
        self.order.piece_gained(piece);
    }

    pub(super) fn source_joined(&mut self, have: &Have) {
        self.for_each_piece(have, RarityOrder::piece_gained);
    }

    pub(super) fn source_left(&mut self, have: &Have) {
        self.for_each_piece(have, RarityOrder::piece_lost);
    }

    fn for_each_piece(&mut self, have: &Have, change: impl Fn(&mut RarityOrder, PieceIndex)) {
        // Sources with everything change no piece relative to the others.
        if let Have::Some(pieces) = have {
            for piece in self.geometry.pieces().filter(|piece| pieces.has(*piece)) {
                change(&mut self.order, piece);
            }
        }
    }

    /// Records that a source turned out to lack a piece. If the source was assumed to have everything, it was not counted; its
    /// remaining pieces are counted from now on.
    pub(super) fn piece_withdrawn(&mut self, piece: PieceIndex, remaining: &Have, was_all: bool) {
        // It was never counted, so its remaining pieces are added instead of the lost one subtracted.
        if was_all {
            self.source_joined(remaining);
        } else {
            self.order.piece_lost(piece);
        }
    }

    /// Takes the next piece that a source has and `may_supply` accepts.
    pub(super) fn take(
        &mut self,
        have: &Have,
        may_supply: impl Fn(PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        let fits = |piece: &PieceIndex| have.has(*piece) && may_supply(*piece);
        if let Some(piece) = self.take_prioritised(fits) {
            return Some(piece);
        }
        // A source with some pieces can only have those that are counted; the others need not be visited.
        let next = self.order.iter(!have.is_all()).find(fits)?;
        // The last piece wins every tie: once it matches, a native manifest's last state is proven.
        let last = self.geometry.last_piece().filter(|last| {
            self.order.contains(*last) && self.order.rarity(*last) == self.order.rarity(next) && fits(last)
        });
        let piece = last.unwrap_or(next);
        debug_assert!(!self.done.has(piece), "only missing pieces are picked");
        self.order.remove(piece);
        Some(piece)
    }

    /// Takes a random piece that a source has and `may_supply` accepts.
    pub(super) fn take_random(
        &mut self,
        have: &Have,
        may_supply: impl Fn(PieceIndex) -> bool,
    ) -> Option<PieceIndex> {
        let fits = |piece: &PieceIndex| have.has(*piece) && may_supply(*piece);
        if let Some(piece) = self.take_prioritised(fits) {
            return Some(piece);
        }
        // Walking on from a random place is cheap, and the first piece need not be perfectly random.
        let piece = self.order.iter_from_anywhere().find(fits)?;
        self.order.remove(piece);
        Some(piece)
    }

    /// Puts back a piece that was taken but not completed.
    pub(super) fn put_back(&mut self, piece: PieceIndex) {
        if !self.done.has(piece) {
            self.order.insert(piece);
        }
    }

    pub(super) fn piece_done(&mut self, piece: PieceIndex) {
        self.order.remove(piece);
        self.prioritised.remove(&piece);
        self.done_count += u32::from(self.done.insert(piece));
        debug_assert!(!self.order.contains(piece), "a complete piece is not picked again");
        debug_assert!(self.done_count <= self.geometry.piece_count(), "a piece is counted once");
    }

    /// Returns the missing pieces.
    pub(super) fn missing(&self) -> impl Iterator<Item = PieceIndex> {
        self.geometry.pieces().filter(|piece| !self.done.has(*piece))
    }

    /// Returns the number of missing pieces that a source has.
    pub(super) fn useful_count(&self, have: &Have) -> usize {
        match have {
            Have::All => (self.geometry.piece_count() - self.done_count) as usize,
            Have::Some(pieces) => self.missing().filter(|piece| pieces.has(*piece)).count(),
        }
    }

    pub(super) fn is_done(&self, piece: PieceIndex) -> bool {
        self.done.has(piece)
    }

    pub(super) fn done_count(&self) -> u32 {
        self.done_count
    }
}
