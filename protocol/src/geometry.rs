//! The division of a content into pieces and blocks.
//!
//! Every index and range from the network is checked by a [`Geometry`]. A [`PieceIndex`] or [`Block`] is inside the
//! content by construction.

use crate::limits::{MAX_BLOCK, MAX_FILE_SIZE, MAX_STATES};

const MIN_PIECE_LENGTH: u32 = 256 << 10;
const MAX_PIECE_LENGTH: u32 = 16 << 20;
const TARGET_PIECE_COUNT: u64 = 4096;
const _: () = assert!(MIN_PIECE_LENGTH.is_power_of_two() && MAX_PIECE_LENGTH.is_power_of_two());
const _: () = assert!(MIN_PIECE_LENGTH <= MAX_PIECE_LENGTH);
const _: () = assert!(MIN_PIECE_LENGTH.is_multiple_of(64), "a piece ends with a block of SHA-256");
const _: () =
    assert!(TARGET_PIECE_COUNT <= MAX_STATES as u64, "one message holds the states of most manifests");
const _: () =
    assert!(MAX_FILE_SIZE / MAX_PIECE_LENGTH as u64 <= u32::MAX as u64, "every allowed size has a geometry");

/// The index of a piece that exists in the geometry that created it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// Returns the index, from 0.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the index for a table with one entry per piece.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// A range of bytes inside one piece, requested and sent as a unit. Only the constructors of this module make one, so that it
/// is never empty. Blocks are ordered by their position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Block {
    /// The piece.
    pub piece: PieceIndex,
    /// The block's offset in the piece, in bytes.
    pub begin: u32,
    /// Its length in bytes, never 0.
    pub length: u32,
}

impl Block {
    /// Creates a block, unless it is empty or ends beyond what fits in 32 bits. Whether it is inside its piece is checked by
    /// [`Geometry::block`].
    pub const fn new(piece: PieceIndex, begin: u32, length: u32) -> Option<Self> {
        match begin.checked_add(length) {
            Some(_) if length > 0 => Some(Self { piece, begin, length }),
            _ => None,
        }
    }

    /// Returns the first byte of a piece, which no other block of the piece precedes in the order of blocks.
    pub const fn first_byte(piece: PieceIndex) -> Self {
        Self { piece, begin: 0, length: 1 }
    }
}

/// The size of a content and the length of its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    size: u64,
    piece_length: u32,
    pieces: u32,
}

/// Why a content cannot be divided into pieces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// The content is over the size limit.
    #[error("a file of {size} bytes is over the limit of {MAX_FILE_SIZE} bytes")]
    TooLarge {
        /// The claimed size.
        size: u64,
    },
    /// The piece length is 0, or results in too many pieces.
    #[error("piece length {piece_length} is invalid for a file of {size} bytes")]
    BadPieceLength {
        /// The size of the content.
        size: u64,
        /// The requested piece length.
        piece_length: u32,
    },
}

/// The range is not a block of the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no block of {length} bytes at {begin} of piece {piece}: the content has {pieces} pieces of {piece_length} bytes"
)]
pub struct InvalidBlock {
    /// The requested piece.
    pub piece: u32,
    /// The range's offset in the piece.
    pub begin: u32,
    /// The range's length.
    pub length: u32,
    /// The number of pieces.
    pub pieces: u32,
    /// The piece length.
    pub piece_length: u32,
}

impl Geometry {
    /// Returns the geometry that every node of the native dialect uses for a content of `size` bytes: the piece
    /// length is the smallest power of two from 256 KiB to 16 MiB that results in at most 4096 pieces, or 16 MiB if
    /// none does.
    pub fn for_native(size: u64) -> Result<Self, GeometryError> {
        let mut piece_length = MIN_PIECE_LENGTH;
        while piece_length < MAX_PIECE_LENGTH && size.div_ceil(u64::from(piece_length)) > TARGET_PIECE_COUNT {
            piece_length *= 2;
        }
        debug_assert!((MIN_PIECE_LENGTH..=MAX_PIECE_LENGTH).contains(&piece_length));
        Self::new(size, piece_length)
    }

    /// Divides a content of `size` bytes into pieces of `piece_length` bytes; the last piece has the rest.
    pub fn new(size: u64, piece_length: u32) -> Result<Self, GeometryError> {
        if size > MAX_FILE_SIZE {
            return Err(GeometryError::TooLarge { size });
        }
        let bad = GeometryError::BadPieceLength { size, piece_length };
        if piece_length == 0 {
            return Err(bad);
        }
        let pieces = u32::try_from(size.div_ceil(u64::from(piece_length))).map_err(|_| bad)?;
        let capacity = u64::from(pieces) * u64::from(piece_length);
        debug_assert!(
            size <= capacity && capacity - size < u64::from(piece_length),
            "the pieces tile the content"
        );
        Ok(Self { size, piece_length, pieces })
    }

    /// Returns the content's size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the length in bytes of every piece but the last.
    pub const fn piece_length(&self) -> u32 {
        self.piece_length
    }

    /// Returns the number of pieces; an empty content has none.
    pub const fn piece_count(&self) -> u32 {
        self.pieces
    }

    /// Returns the piece with this index, if it exists.
    pub fn piece(&self, index: u32) -> Option<PieceIndex> {
        (index < self.pieces).then_some(PieceIndex(index))
    }

    /// Returns the last piece, if there is any.
    pub fn last_piece(&self) -> Option<PieceIndex> {
        self.pieces.checked_sub(1).map(PieceIndex)
    }

    /// Returns all pieces in order.
    pub fn pieces(&self) -> impl Iterator<Item = PieceIndex> + use<> {
        (0..self.pieces).map(PieceIndex)
    }

    /// Returns the offset of a piece in the content, in bytes.
    pub fn piece_offset(&self, piece: PieceIndex) -> u64 {
        u64::from(piece.0) * u64::from(self.piece_length)
    }

    /// Returns the length of a piece in bytes.
    pub fn length_of(&self, piece: PieceIndex) -> u32 {
        let rest = self.size.saturating_sub(self.piece_offset(piece));
        u32::try_from(rest).unwrap_or(u32::MAX).min(self.piece_length)
    }

    /// Returns the blocks of a piece in order. All have `block_length` bytes (at least 1) except the last, which has
    /// the rest.
    pub fn blocks(&self, piece: PieceIndex, block_length: u32) -> impl Iterator<Item = Block> + use<> {
        let (length, block_length) = (self.length_of(piece), block_length.max(1));
        (0..length.div_ceil(block_length)).map(move |number| {
            let begin = number * block_length;
            debug_assert!(begin < length, "a block is empty");
            Block { piece, begin, length: (length - begin).min(block_length) }
        })
    }

    /// Returns a whole piece as one block.
    pub fn whole_piece(&self, piece: PieceIndex) -> Block {
        let length = self.length_of(piece);
        debug_assert!(length > 0, "a piece of this geometry is not empty");
        Block { piece, begin: 0, length: length.max(1) }
    }

    /// Checks a range from the network: it must be inside one piece, not empty, and at most [`MAX_BLOCK`] bytes long.
    pub fn block(&self, piece: u32, begin: u32, length: u32) -> Result<Block, InvalidBlock> {
        let (pieces, piece_length) = (self.pieces, self.piece_length);
        let bad = InvalidBlock { piece, begin, length, pieces, piece_length };
        let Some(piece) = self.piece(piece) else { return Err(bad) };
        match begin.checked_add(length) {
            Some(end) if length > 0 && length <= MAX_BLOCK && end <= self.length_of(piece) => {
                Ok(Block { piece, begin, length })
            }
            _ => Err(bad),
        }
    }

    /// Returns the offset of a block in the content, in bytes.
    pub fn block_offset(&self, block: Block) -> u64 {
        self.piece_offset(block.piece) + u64::from(block.begin)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn piece_length_depends_only_on_the_size() {
        let length = |size| Geometry::for_native(size).unwrap().piece_length();
        assert_eq!(length(0), 256 << 10);
        assert_eq!(length(1 << 30), 256 << 10);
        assert_eq!(length((1 << 30) + 1), 512 << 10);
        assert_eq!(length(4 << 30), 1 << 20);
        assert_eq!(length(64 << 30), 16 << 20);
        assert_eq!(length(1 << 50), 16 << 20);
        assert_eq!(Geometry::for_native((1 << 50) + 1), Err(GeometryError::TooLarge { size: (1 << 50) + 1 }));
        assert_eq!(Geometry::for_native(u64::MAX), Err(GeometryError::TooLarge { size: u64::MAX }));
    }

    #[test]
    fn empty_content_has_no_pieces() {
        let geometry = Geometry::for_native(0).unwrap();
        assert_eq!((geometry.piece_count(), geometry.last_piece()), (0, None));
    }

    #[test]
    fn out_of_range_blocks_are_refused() {
        let geometry = Geometry::for_native((256 << 10) + 10).unwrap();
        for (piece, begin, length) in [
            (2, 0, 1),
            (u32::MAX, 0, 1),
            (1, 0, 11),
            (1, 10, 1),
            (0, u32::MAX, 2),
            (0, 0, 0),
            (0, 0, u32::MAX),
        ] {
            assert!(geometry.block(piece, begin, length).is_err(), "{piece} {begin} {length}");
        }
        assert!(geometry.block(1, 0, 10).is_ok());
        assert!(Geometry::new(1 << 50, 1).is_err());
        assert!(Geometry::new(1, 0).is_err());
    }

    proptest! {
        #[test]
        fn pieces_and_blocks_tile_the_content(size in 0u64..200 << 20, shift in 14u32..25) {
            let geometry = Geometry::new(size, 1 << shift).unwrap();
            let mut next = 0;
            for piece in geometry.pieces() {
                prop_assert_eq!(geometry.piece_offset(piece), next);
                for block in geometry.blocks(piece, MAX_BLOCK) {
                    prop_assert_eq!(geometry.block_offset(block), next);
                    prop_assert_eq!(geometry.block(piece.get(), block.begin, block.length), Ok(block));
                    next += u64::from(block.length);
                }
            }
            prop_assert_eq!(next, size);
        }

        #[test]
        fn accepted_blocks_are_in_range(size in 0u64..40 << 20, piece: u32, begin: u32, length: u32) {
            let geometry = Geometry::for_native(size).unwrap();
            if let Ok(block) = geometry.block(piece % 200, begin % (1 << 19), length % (1 << 21)) {
                prop_assert!(geometry.block_offset(block) + u64::from(block.length) <= size);
            }
        }
    }
}
