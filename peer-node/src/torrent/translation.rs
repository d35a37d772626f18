//! Translates blocks between the pieces of a torrent and those of the native dialect.

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, Geometry, GeometryError, PieceIndex};

use swarm::Have;

/// Translates between the two divisions of one content into pieces.
///
/// It exists only if no block of the torrent crosses a boundary of native pieces, so that one request in one dialect is
/// one request in the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockTranslation {
    torrent: Geometry,
    native: Geometry,
}

impl BlockTranslation {
    /// Creates the translation for blocks of at most `block_length` bytes; none if blocks cross piece boundaries.
    pub(super) fn new(torrent: Geometry, block_length: u32) -> Result<Option<Self>, GeometryError> {
        let native = Geometry::for_native(torrent.size())?;
        let fits = |length: u32| length.is_multiple_of(block_length.max(1));
        let is_one_piece = torrent.piece_count() == 1;
        Ok(((fits(torrent.piece_length()) || is_one_piece) && fits(native.piece_length()))
            .then_some(Self { torrent, native }))
    }

    /// Returns the native division.
    pub(super) const fn native(&self) -> &Geometry {
        &self.native
    }

    /// Converts a block of the torrent to a native block.
    pub(super) fn to_native(self, block: Block) -> Option<Block> {
        convert(&self.torrent, &self.native, block)
    }

    /// Converts a native block to a block of the torrent.
    pub(super) fn to_torrent(self, block: Block) -> Option<Block> {
        convert(&self.native, &self.torrent, block)
    }

    /// Returns the torrent pieces covered by a set of native pieces.
    pub(super) fn torrent_pieces(&self, native: Option<&Bitfield>) -> Have {
        let Some(native) = native else { return Have::All };
        let mut pieces = Bitfield::empty(&self.torrent);
        for piece in self.torrent.pieces().filter(|piece| self.is_covered(*piece, native)) {
            pieces.insert(piece);
        }
        Have::Some(pieces)
    }

    /// Returns the torrent pieces completed by one more native piece, which is in the set already.
    pub(super) fn newly_complete(&self, native: &Bitfield, piece: PieceIndex) -> Vec<PieceIndex> {
        let (first, last) = overlapping_pieces(&self.native, piece, &self.torrent);
        let pieces = (first..=last).filter_map(|number| self.torrent.piece(number));
        pieces.filter(|piece| self.is_covered(*piece, native)).collect()
    }

    fn is_covered(&self, piece: PieceIndex, native: &Bitfield) -> bool {
        let (first, last) = overlapping_pieces(&self.torrent, piece, &self.native);
        (first..=last).all(|number| self.native.piece(number).is_some_and(|piece| native.has(piece)))
    }
}

/// Returns the first and last piece of `other` that overlap a piece of `of`.
fn overlapping_pieces(of: &Geometry, piece: PieceIndex, other: &Geometry) -> (u32, u32) {
    let begin = of.piece_offset(piece);
    let end = begin + u64::from(of.length_of(piece).max(1)) - 1;
    let number = |offset: u64| u32::try_from(offset / u64::from(other.piece_length())).unwrap_or(u32::MAX);
    (number(begin), number(end))
}

fn convert(from: &Geometry, to: &Geometry, block: Block) -> Option<Block> {
    let offset = from.block_offset(block);
    let length = u64::from(to.piece_length());
    let (piece, begin) = (u32::try_from(offset / length).ok()?, u32::try_from(offset % length).ok()?);
    to.block(piece, begin, block.length).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u32 = 16 << 10;

    fn translation(size: u64, blocks: u32) -> BlockTranslation {
        BlockTranslation::new(Geometry::new(size, blocks * BLOCK).unwrap(), BLOCK).unwrap().unwrap()
    }

    #[test]
    fn no_translation_when_blocks_cross_native_pieces() {
        let torrent = |length| Geometry::new(1 << 20, length).unwrap();
        assert!(BlockTranslation::new(torrent(100_000), BLOCK).unwrap().is_none());
        assert!(BlockTranslation::new(torrent(48 << 10), BLOCK).unwrap().is_some());
        assert!(BlockTranslation::new(torrent(3 << 20), BLOCK).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn blocks_cover_the_same_bytes_in_both_layouts(size in 1u64..(5 << 20), blocks in 1u32..80) {
            let translation = translation(size, blocks);
            for piece in translation.torrent.pieces() {
                for block in translation.torrent.blocks(piece, BLOCK) {
                    let native = translation.to_native(block).unwrap();
                    let offset = translation.native.block_offset(native);
                    prop_assert_eq!(offset, translation.torrent.block_offset(block));
                    prop_assert_eq!(translation.to_torrent(native), Some(block));
                }
            }
        }

        #[test]
        fn a_piece_is_complete_once_all_its_bytes_are(
            size in 1u64..(5 << 20), blocks in 1u32..80, order in any::<prop::sample::Index>(),
        ) {
            let translation = translation(size, blocks);
            let mut native = Bitfield::empty(&translation.native);
            let all: Vec<PieceIndex> = translation.native.pieces().collect();
            let mut torrent = Bitfield::empty(&translation.torrent);
            let start = order.index(all.len());
            for at in 0..all.len() {
                let piece = all[(start + at) % all.len()];
                native.insert(piece);
                for gained in translation.newly_complete(&native, piece) {
                    torrent.insert(gained);
                }
                let Have::Some(have) = translation.torrent_pieces(Some(&native)) else { panic!() };
                prop_assert_eq!(&have, &torrent);
                for piece in translation.torrent.pieces().filter(|piece| have.has(*piece)) {
                    let (first, last) = overlapping_pieces(&translation.torrent, piece, &translation.native);
                    prop_assert!((first..=last).all(|number| native.has(all[number as usize])));
                }
            }
            prop_assert_eq!(torrent.count(), translation.torrent.piece_count());
        }
    }
}
