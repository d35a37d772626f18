use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};

use swarm::Have;

/// The pieces that a peer has, as far as it has said.
#[derive(Debug)]
pub(crate) struct PeerPieces {
    pieces: Bitfield,
    count: u32,
    total: u32,
}

impl PeerPieces {
    /// Begins with none.
    pub(crate) fn empty(geometry: &Geometry) -> Self {
        Self { pieces: Bitfield::empty(geometry), count: 0, total: geometry.piece_count() }
    }

    /// Takes in which pieces it has.
    pub(crate) fn set(&mut self, pieces: Bitfield) {
        self.count = pieces.count();
        self.pieces = pieces;
    }

    /// Takes in one more piece; says whether it is new.
    pub(crate) fn insert(&mut self, piece: PieceIndex) -> bool {
        let is_new = self.pieces.insert(piece);
        self.count += u32::from(is_new);
        is_new
    }

    /// Says whether it has a piece.
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        self.pieces.has(piece)
    }

    /// Says whether it has all.
    pub(crate) const fn is_full(&self) -> bool {
        self.count == self.total
    }

    /// Returns them as the engine knows them.
    pub(crate) fn have(&self) -> Have {
        if self.is_full() { Have::All } else { Have::Some(self.pieces.clone()) }
    }
}
