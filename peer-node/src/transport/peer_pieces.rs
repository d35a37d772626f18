use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};

use swarm::Have;

/// The pieces that a peer has, as far as it has announced them.
#[derive(Debug)]
pub(crate) struct PeerPieces {
    pieces: Bitfield,
    count: u32,
    total: u32,
}

impl PeerPieces {
    /// Starts without any piece.
    pub(crate) fn empty(geometry: &Geometry) -> Self {
        Self { pieces: Bitfield::empty(geometry), count: 0, total: geometry.piece_count() }
    }

    /// Replaces the pieces with a received bitfield.
    pub(crate) fn set(&mut self, pieces: Bitfield) {
        self.count = pieces.count();
        self.pieces = pieces;
    }

    /// Adds a piece. Returns true if it is new.
    pub(crate) fn insert(&mut self, piece: PieceIndex) -> bool {
        let is_new = self.pieces.insert(piece);
        self.count += u32::from(is_new);
        is_new
    }

    /// Returns true if the peer has the piece.
    pub(crate) fn has(&self, piece: PieceIndex) -> bool {
        self.pieces.has(piece)
    }

    /// Returns true if the peer has all pieces.
    pub(crate) const fn is_full(&self) -> bool {
        self.count == self.total
    }

    /// Returns the pieces in the form that the swarm uses.
    pub(crate) fn have(&self) -> Have {
        if self.is_full() { Have::All } else { Have::Some(self.pieces.clone()) }
    }
}
