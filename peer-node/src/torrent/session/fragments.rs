//! Uses native pieces that a taken-over download has left in the part.
//!
//! They are read when a block of the surrounding torrent piece is first requested, and verified with that piece. If
//! verification fails, the whole piece is fetched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use protocol::bitfield::Bitfield;
use protocol::geometry::{Block, Geometry, PieceIndex};

use super::active_swarm::{ActiveSwarm, BLOCK};
use super::{JobOutcome, TorrentSession};
use crate::bittorrent::{BlockSegment, PieceLocator};
use crate::platform::FileAt;
use crate::torrent::files::TorrentFiles;
use crate::transport::{Buffer, BufferPool};
use swarm::Have;

/// Existing native pieces, and the torrent pieces for which they were used.
#[derive(Debug)]
pub(super) struct Fragments {
    native: Geometry,
    pieces: Bitfield,
    taken: BTreeSet<PieceIndex>,
}

impl Fragments {
    pub(super) const fn new(native: Geometry, pieces: Bitfield) -> Self {
        Self { native, pieces, taken: BTreeSet::new() }
    }

    /// Returns the blocks of a piece that exist; only on the first call for the piece.
    fn take(&mut self, torrent: &Geometry, piece: PieceIndex) -> Vec<Block> {
        if !self.taken.insert(piece) {
            return Vec::new();
        }
        let blocks = torrent.blocks(piece, BLOCK);
        blocks.filter(|block| self.has(torrent.block_offset(*block), block.length)).collect()
    }

    fn has(&self, offset: u64, length: u32) -> bool {
        let unit = u64::from(self.native.piece_length());
        let last = (offset + u64::from(length.max(1)) - 1) / unit;
        let is_here = |number: u64| {
            let piece = u32::try_from(number).ok().and_then(|number| self.native.piece(number));
            piece.is_some_and(|piece| self.pieces.has(piece))
        };
        (offset / unit..=last).all(is_here)
    }
}

impl TorrentSession {
    /// Sets the native pieces that another download has left in the part.
    pub(crate) fn with_fragments(mut self, native_pieces: Option<Bitfield>) -> Self {
        let native = Geometry::for_native(self.spec.metainfo.geometry().size()).ok();
        self.fragments = native.zip(native_pieces).map(|(native, pieces)| Fragments::new(native, pieces));
        self
    }

    /// Starts reading the existing blocks of a piece.
    pub(super) fn read_fragments(&mut self, piece: PieceIndex) {
        let Some(fragments) = &mut self.fragments else { return };
        let blocks = fragments.take(self.spec.metainfo.geometry(), piece);
        let files = self.storage.as_ref().and_then(|store| store.files.as_ref());
        let Some(files) = files.filter(|_| !blocks.is_empty()) else { return };
        let (files, buffers) = (Arc::clone(files), self.config.transport.buffers().clone());
        self.jobs.spawn_blocking(move || JobOutcome::FragmentsRead(read(&blocks, &files, &buffers)));
    }

    /// Adds the existing blocks of a piece, as if received from a source that has nothing else.
    pub(super) fn fragments_read(&self, blocks: Vec<(Block, Buffer)>, active: &mut ActiveSwarm) {
        let (id, now) = (active.ids.next(), Instant::now());
        let nothing = Bitfield::empty(self.spec.metainfo.geometry());
        active.pieces.swarm_mut().source_joined(id, Have::Some(nothing), true, now);
        for (block, data) in blocks {
            active.pieces.add_block(id, block, data, now);
        }
        active.pieces.swarm_mut().source_lost(id);
    }
}

/// Reads blocks; unreadable ones are fetched like others.
fn read(blocks: &[Block], files: &TorrentFiles, buffers: &BufferPool) -> Vec<(Block, Buffer)> {
    let read_one = |block: &Block| {
        let segments = files.segments(*block).ok()??;
        let [BlockSegment::File { file, offset, length }] = segments.as_slice() else { return None };
        let mut buffer = buffers.take(*length);
        let bytes = buffer.vec();
        let start = bytes.len();
        bytes.resize(start + length, 0);
        file.read_exact_at(bytes.get_mut(start..)?, *offset).ok()?;
        Some((*block, buffer))
    };
    blocks.iter().filter_map(read_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_of_a_larger_piece_are_used_once() {
        let (torrent, native) =
            (Geometry::new(3 << 20, 1 << 20).unwrap(), Geometry::for_native(3 << 20).unwrap());
        let mut pieces = Bitfield::empty(&native);
        for number in [1, 3, 4] {
            pieces.insert(native.piece(number).unwrap());
        }
        let mut fragments = Fragments::new(native, pieces);
        let mut taken = |number| {
            let blocks = fragments.take(&torrent, torrent.piece(number).unwrap());
            blocks.iter().map(|block| block.begin / BLOCK).collect::<Vec<_>>()
        };
        assert_eq!(taken(0), (16..32).chain(48..64).collect::<Vec<_>>());
        assert_eq!(taken(1), (0..16).collect::<Vec<_>>());
        assert_eq!((taken(2), taken(0)), (vec![], vec![]));
    }

    #[test]
    fn a_block_across_two_native_pieces_needs_both() {
        let (torrent, native) =
            (Geometry::new(1 << 20, 100_000).unwrap(), Geometry::for_native(1 << 20).unwrap());
        let mut pieces = Bitfield::empty(&native);
        pieces.insert(native.piece(0).unwrap());
        let mut fragments = Fragments::new(native, pieces);
        // Piece 2 covers bytes 200,000 to 300,000; the native piece ends at 262,144.
        let blocks = fragments.take(&torrent, torrent.piece(2).unwrap());
        assert_eq!(blocks.iter().map(|block| block.begin / BLOCK).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
