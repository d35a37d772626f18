use protocol::bitfield::Bitfield;
use protocol::geometry::{Geometry, PieceIndex};

/// Which pieces a source has.
#[derive(Debug, Clone)]
pub enum Have {
    /// All of them.
    All,
    /// Some of them.
    Some(Bitfield),
}

impl Have {
    /// Says whether a piece is among them.
    pub fn has(&self, piece: PieceIndex) -> bool {
        match self {
            Self::All => true,
            Self::Some(pieces) => pieces.has(piece),
        }
    }

    /// Says whether the source is known to have all.
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Says the same in fewer words: whoever has all pieces of some has all.
    pub(super) fn or_all(self) -> Self {
        match self {
            Self::Some(pieces) if pieces.is_full() => Self::All,
            have => have,
        }
    }

    /// Adds a piece; says whether it is new.
    pub(super) fn insert(&mut self, piece: PieceIndex) -> bool {
        match self {
            Self::All => false,
            Self::Some(pieces) => pieces.insert(piece),
        }
    }

    /// Takes a piece out; says whether the source was taken to have it.
    pub(super) fn remove(&mut self, piece: PieceIndex, geometry: &Geometry) -> bool {
        if let Self::All = self {
            *self = Self::Some(Bitfield::full(geometry));
        }
        let Self::Some(pieces) = self else { return false };
        let had = pieces.has(piece);
        pieces.remove(piece);
        had
    }
}
