use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};

/// The pieces that a source has.
#[derive(Debug, Clone)]
pub enum Have {
    /// All pieces.
    All,
    /// Some pieces.
    Some(Bitfield),
}

impl Have {
    /// Returns true if the source has a piece.
    pub fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::All => true,
            Self::Some(pieces) => pieces.has(piece),
        }
    }

    /// Returns true if the source is known to have all pieces.
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Converts a full bitfield to `All`.
    pub(super) fn or_all(self) -> Self {
        match self {
            Self::Some(pieces) if pieces.is_full() => Self::All,
            have => have,
        }
    }

    /// Adds a piece. Returns true if it is new.
    pub(super) fn insert(&mut self, piece: PieceIndex) -> bool {
        match self {
            Self::All => false,
            Self::Some(pieces) => pieces.insert(piece),
        }
    }

    /// Removes a piece. Returns true if it was present.
    pub(super) fn remove(&mut self, piece: PieceIndex, geometry: &Geometry) -> bool {
        // "All" has no bitfield; it becomes one when the first piece turns out to be missing.
        if let Self::All = self {
            *self = Self::Some(Bitfield::full(geometry));
        }
        let Self::Some(pieces) = self else { return false };
        let had = pieces.has(piece);
        pieces.remove(piece);
        had
    }
}
