//! The part of a download that reads and writes the disk: jobs for blocking threads.

use std::io;
use std::path::Path;
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::PieceIndex;
use protocol::manifest::Manifest;

use super::part_file::{PartFile, PartFileError};
use crate::native::Buffer;

/// A job that is done.
#[derive(Debug)]
pub(super) enum Done {
    /// The part file is open, and its pieces are known.
    Prepared { manifest: Arc<Manifest>, outcome: Result<(PartFile, Bitfield), PartFileError> },
    /// A piece was verified and, if it is good, stored.
    Checked { piece: PieceIndex, outcome: io::Result<bool> },
    /// The record was written.
    Noted(io::Result<()>),
}

/// Opens the part file and verifies what an earlier attempt has left in it.
pub(super) fn prepare(root: &Path, target: &Path, digest: Digest, manifest: Arc<Manifest>) -> Done {
    let geometry = *manifest.geometry();
    let outcome = PartFile::open(root, target, digest, geometry).map(|(part, claimed)| {
        let mut right = Bitfield::empty(&geometry);
        for piece in geometry.pieces().filter(|piece| claimed.has(*piece)) {
            if part.is_right(piece, &manifest) {
                right.insert(piece);
            } else {
                tracing::warn!(%digest, piece = piece.get(), "piece on disk failed its check");
            }
        }
        (part, right)
    });
    Done::Prepared { manifest, outcome }
}

/// Verifies a piece and stores it if it is good.
pub(super) fn check(piece: PieceIndex, data: &[Buffer], manifest: &Manifest, part: &PartFile) -> Done {
    let good = manifest.is_piece(piece, data.iter().map(Buffer::bytes));
    let outcome =
        if good { part.write(piece, data.iter().map(Buffer::bytes)).map(|()| true) } else { Ok(false) };
    Done::Checked { piece, outcome }
}

/// Notes which pieces are here.
pub(super) fn note(part: &PartFile, pieces: &Bitfield) -> Done {
    Done::Noted(part.save_record(pieces))
}
