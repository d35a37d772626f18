//! Bitfields: sets of pieces with one bit per piece.

use crate::geometry::{Geometry, PieceIndex};

/// A set of pieces of one geometry. In the encoded bytes, the high bit comes first and spare bits are zero (BEP 3,
/// "peer messages").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitfield {
    bytes: Vec<u8>,
    pieces: u32,
}

/// Why bytes are not a bitfield of the geometry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BitfieldError {
    /// The number of bytes is wrong.
    #[error("a bitfield of {pieces} pieces has {expected} bytes, not {got}")]
    WrongLength {
        /// The number of pieces.
        pieces: u32,
        /// The expected number of bytes.
        expected: usize,
        /// The actual number of bytes.
        got: usize,
    },
    /// A bit after the last piece is set.
    #[error("a bitfield has bits set past its last piece")]
    SpareBits,
}

impl Bitfield {
    /// Creates the empty set.
    pub fn empty(geometry: &Geometry) -> Self {
        let pieces = geometry.piece_count();
        Self { bytes: vec![0; byte_count(pieces)], pieces }
    }

    /// Creates the set of all pieces.
    pub fn full(geometry: &Geometry) -> Self {
        let mut all = Self::empty(geometry);
        all.bytes.fill(0xff);
        if let Some(last) = all.bytes.last_mut() {
            *last = !spare_mask(all.pieces);
        }
        debug_assert!(all.is_full(), "a full bitfield has every piece");
        all
    }

    /// Decodes a set and ignores bits after the last piece, for dialects that allow them.
    pub fn masked(geometry: &Geometry, mut bytes: Vec<u8>) -> Result<Self, BitfieldError> {
        if let Some(last) = bytes.get_mut(byte_count(geometry.piece_count()).saturating_sub(1)) {
            *last &= !spare_mask(geometry.piece_count());
        }
        Self::from_bytes(geometry, bytes)
    }

    /// Decodes a set; bits after the last piece are an error.
    pub fn from_bytes(geometry: &Geometry, bytes: Vec<u8>) -> Result<Self, BitfieldError> {
        let pieces = geometry.piece_count();
        let expected = byte_count(pieces);
        if bytes.len() != expected {
            return Err(BitfieldError::WrongLength { pieces, expected, got: bytes.len() });
        }
        if bytes.last().is_some_and(|last| last & spare_mask(pieces) != 0) {
            return Err(BitfieldError::SpareBits);
        }
        let field = Self { bytes, pieces };
        debug_assert!(field.count() <= pieces, "more bits are set than there are pieces");
        Ok(field)
    }

    /// Returns the encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns true if the piece is in the set.
    pub fn has(&self, piece: PieceIndex) -> bool {
        let (byte, mask) = bit_position(piece);
        self.bytes.get(byte).is_some_and(|bits| bits & mask != 0)
    }

    /// Adds a piece; returns true if it was missing.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        debug_assert!(piece.get() < self.pieces, "a piece of another content");
        let (byte, mask) = bit_position(piece);
        self.bytes.get_mut(byte).is_some_and(|bits| {
            let was_missing = *bits & mask == 0;
            *bits |= mask;
            was_missing
        })
    }

    /// Removes a piece.
    pub fn remove(&mut self, piece: PieceIndex) {
        let (byte, mask) = bit_position(piece);
        if let Some(bits) = self.bytes.get_mut(byte) {
            *bits &= !mask;
        }
    }

    /// Returns the number of pieces in the set.
    pub fn count(&self) -> u32 {
        self.bytes.iter().map(|bits| bits.count_ones()).sum()
    }

    /// Returns true if all pieces are in the set.
    pub fn is_full(&self) -> bool {
        debug_assert!(
            self.bytes.last().is_none_or(|last| last & spare_mask(self.pieces) == 0),
            "a spare bit is set"
        );
        self.count() == self.pieces
    }
}

fn byte_count(pieces: u32) -> usize {
    pieces.div_ceil(8) as usize
}

fn spare_mask(pieces: u32) -> u8 {
    match pieces % 8 {
        0 => 0,
        used => 0xff >> used,
    }
}

fn bit_position(piece: PieceIndex) -> (usize, u8) {
    (piece.as_usize() / 8, 0x80 >> (piece.get() % 8))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn geometry(pieces: u32) -> Geometry {
        Geometry::new(u64::from(pieces) << 14, 1 << 14).unwrap()
    }

    #[test]
    fn high_bit_comes_first_and_spare_bits_are_refused() {
        let nine = geometry(9);
        let mut field = Bitfield::empty(&nine);
        field.insert(nine.piece(0).unwrap());
        field.insert(nine.piece(8).unwrap());
        assert_eq!(field.as_bytes(), [0x80, 0x80]);
        assert_eq!(Bitfield::from_bytes(&nine, vec![0, 0x40]), Err(BitfieldError::SpareBits));
        assert!(matches!(Bitfield::from_bytes(&nine, vec![0]), Err(BitfieldError::WrongLength { .. })));
        assert!(matches!(Bitfield::from_bytes(&nine, vec![0; 3]), Err(BitfieldError::WrongLength { .. })));
        assert_eq!(Bitfield::full(&nine).as_bytes(), [0xff, 0x80]);
        assert_eq!(Bitfield::masked(&nine, vec![0xff; 2]), Ok(Bitfield::full(&nine)));
        for length in [0, 1, 3] {
            let wrong = Bitfield::masked(&nine, vec![0xff; length]);
            assert!(matches!(wrong, Err(BitfieldError::WrongLength { .. })));
        }
        assert!(Bitfield::full(&geometry(0)).is_full());
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(pieces in 1u32..70, steps in prop::collection::vec((any::<bool>(), any::<u32>()), 0..80)) {
            let geometry = geometry(pieces);
            let (mut field, mut model) = (Bitfield::empty(&geometry), BTreeSet::new());
            for (put, number) in steps {
                let piece = geometry.piece(number % pieces).unwrap();
                if put {
                    prop_assert_eq!(field.insert(piece), model.insert(piece));
                } else {
                    field.remove(piece);
                    model.remove(&piece);
                }
            }
            for piece in geometry.pieces() {
                prop_assert_eq!(field.has(piece), model.contains(&piece));
            }
            prop_assert_eq!(field.count() as usize, model.len());
            prop_assert_eq!(field.is_full(), model.len() == pieces as usize);
            prop_assert_eq!(Bitfield::from_bytes(&geometry, field.as_bytes().to_vec()), Ok(field));
        }

        #[test]
        fn no_bytes_panic_the_decoder(pieces in 0u32..70, bytes: Vec<u8>) {
            if let Ok(field) = Bitfield::from_bytes(&geometry(pieces), bytes) {
                prop_assert!(field.count() <= pieces);
            }
        }
    }
}
