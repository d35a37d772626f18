//! The part of a download that reads and writes the disk: jobs for blocking threads.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use protocol::manifest::Manifest;
use tokio_util::sync::CancellationToken;

use super::checks::Gathered;
use super::orphan;
use super::part_file::{PartFile, PartFileError};
use super::verification::{Outcome, PieceStore};

/// A job that is done.
#[derive(Debug)]
pub(super) enum Done {
    /// The part file is open, and its pieces are known.
    Prepared { manifest: Arc<Manifest>, outcome: Result<(PartFile, Bitfield), PartFileError> },
    /// Pieces were verified and, if they are good, stored.
    Checked(Vec<Outcome>),
    /// The record was written.
    Noted(io::Result<()>),
}

/// Opens the part file and verifies what an earlier attempt has left in it, which takes long: cancelled, it stops early and
/// what it says is of no use.
pub(super) fn prepare(
    root: &Path,
    target: &Path,
    manifest: Arc<Manifest>,
    cancel: &CancellationToken,
) -> Done {
    let (digest, geometry) = (manifest.digest(), *manifest.geometry());
    orphan::adopt(root, target, &manifest, cancel);
    let outcome = PartFile::open(root, target, digest, geometry).map(|(part, claimed)| {
        let mut right = Bitfield::empty(&geometry);
        for piece in geometry.pieces().filter(|piece| claimed.has(*piece)) {
            if cancel.is_cancelled() {
                break;
            }
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

/// Where the pieces of a download go.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) manifest: Arc<Manifest>,
    pub(super) part: Arc<PartFile>,
}

impl PieceStore for Pieces {
    fn are_right(&self, pieces: &[Gathered]) -> Vec<bool> {
        self.manifest.are_pieces(pieces.iter().map(|gathered| (gathered.piece, gathered.parts())))
    }

    fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        self.part.write(piece, parts)
    }
}

/// Copies a finished file to another place and verifies the copy before it gets its name. Returns where it lies.
pub(super) fn copy(
    root: &Path,
    from: &Path,
    target: &Path,
    manifest: &Manifest,
) -> Result<PathBuf, PartFileError> {
    let geometry = manifest.geometry();
    let (part, _) = PartFile::open(root, target, manifest.digest(), *geometry)?;
    let path = part.path().to_owned();
    let at = |source| PartFileError::Io { path: path.clone(), source };
    part.fill_from(from).map_err(at)?;
    if !geometry.pieces().all(|piece| part.is_right(piece, manifest)) {
        return Err(at(io::Error::other("the file it is copied from has changed")));
    }
    let named = part.name().map_err(at)?;
    File::open(named.folder()).and_then(|folder| folder.sync_all()).map_err(at)?;
    Ok(named.settled())
}

/// Notes which pieces are here.
pub(super) fn note(part: &PartFile, pieces: &Bitfield) -> Done {
    Done::Noted(part.save_record(pieces))
}

#[cfg(test)]
mod tests {
    use protocol::manifest::ManifestBuilder;

    use super::*;

    #[test]
    fn a_cancelled_check_leaves_the_record_as_it_was() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a.bin");
        let data = vec![7; 3 << 18];
        let mut builder = ManifestBuilder::new(data.len() as u64).unwrap();
        builder.update(&data);
        let manifest = Arc::new(builder.finish().unwrap());
        let geometry = *manifest.geometry();
        let (part, _) = PartFile::open(root.path(), &target, manifest.digest(), geometry).unwrap();
        std::fs::write(part.path(), &data).unwrap();
        part.save_record(&Bitfield::full(&geometry)).unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let checked =
            |cancel: &CancellationToken| match prepare(root.path(), &target, Arc::clone(&manifest), cancel) {
                Done::Prepared { outcome, .. } => outcome.unwrap().1.count(),
                other => panic!("{other:?}"),
            };
        assert_eq!(checked(&cancel), 0);
        assert_eq!(checked(&CancellationToken::new()), 3);
    }
}
