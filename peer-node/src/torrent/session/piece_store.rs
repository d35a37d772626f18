use std::io;
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;

use crate::torrent::files::TorrentFiles;
use crate::transfer::driver::TransferStore;
use crate::transfer::verification::PieceStore;
use crate::transfer::verification_queue::AssembledPiece;

/// Where a torrent stores its pieces: its files, unless the content is complete and belongs to the library.
#[derive(Debug)]
pub(super) struct TorrentPieceStore(pub(super) Option<Arc<TorrentFiles>>);

impl PieceStore for TorrentPieceStore {
    fn verify_pieces(&self, pieces: &[AssembledPiece]) -> Vec<bool> {
        self.0.as_ref().map_or_else(|| vec![false; pieces.len()], |files| files.verify_pieces(pieces))
    }

    fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |files| files.write_piece(piece, parts))
    }
}

impl TransferStore for TorrentPieceStore {
    /// Writes the record, and finalizes complete files.
    fn write_record(&self, have: &Bitfield) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |files| files.finalize_and_record(have))
    }

    fn write_last_record(&self, have: &Bitfield) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |files| files.record_pieces(have))
    }
}
