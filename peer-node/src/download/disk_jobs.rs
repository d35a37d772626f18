//! Disk access of a download, as jobs for blocking threads.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::geometry::PieceIndex;
use protocol::manifest::Manifest;
use tokio_util::sync::CancellationToken;

use super::legacy;
use super::manifest_fetch::ContentOffer;
use super::part_file::{PartFile, PartFileError};
use super::part_folders::PartFolders;
use crate::transfer::driver::TransferStore;
use crate::transfer::verification::PieceStore;
use crate::transfer::verification_queue::AssembledPiece;
use swarm::SourceId;

/// The result of a disk job.
#[derive(Debug)]
pub(super) enum DownloadJobOutcome {
    /// The part file is open and its valid pieces are known.
    Prepared { manifest: Arc<Manifest>, outcome: Result<(PartFile, Bitfield), PartFileError> },
    /// A piece that tests the manifest of a rival offer was verified.
    RivalTested { offer: ContentOffer, source: SourceId, is_valid: bool },
}

/// Where a download is saved.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) folders: PartFolders,
    /// The path that was requested.
    pub(super) requested_path: PathBuf,
    /// The name reserved for the file.
    pub(super) target: PathBuf,
}

/// Opens the part file and verifies the pieces left by an earlier attempt, which can take long. If cancelled, it stops early
/// and the outcome is incomplete.
pub(super) fn open_and_verify(
    destination: &Destination,
    manifest: Arc<Manifest>,
    cancel: &CancellationToken,
) -> DownloadJobOutcome {
    let outcome = open(destination, &manifest, cancel);
    DownloadJobOutcome::Prepared { manifest, outcome }
}

fn open(
    destination: &Destination,
    manifest: &Manifest,
    cancel: &CancellationToken,
) -> Result<(PartFile, Bitfield), PartFileError> {
    let Destination { folders, requested_path, target } = destination;
    let (digest, geometry) = (manifest.digest(), *manifest.geometry());
    if geometry.piece_count() > 1 {
        let location = folders.location(target, &digest, geometry.size())?;
        legacy::adopt(&location.paths, requested_path, manifest, cancel);
    }
    let (part, claimed) = PartFile::open(folders, target, digest, geometry)?;
    let mut valid = Bitfield::empty(&geometry);
    for piece in geometry.pieces().filter(|piece| claimed.has(*piece) && part.has_bytes(*piece)) {
        if cancel.is_cancelled() {
            break;
        }
        if part.is_piece_valid(piece, manifest) {
            valid.insert(piece);
        } else {
            tracing::warn!(%digest, piece = piece.get(), "piece on disk failed its check");
        }
    }
    Ok((part, valid))
}

/// Storage for the pieces of a download.
#[derive(Debug)]
pub(super) struct DownloadStore {
    pub(super) manifest: Arc<Manifest>,
    pub(super) part: Arc<PartFile>,
}

impl PieceStore for DownloadStore {
    fn verify_pieces(&self, pieces: &[AssembledPiece]) -> Vec<bool> {
        self.manifest.verify_pieces(pieces.iter().map(|assembled| (assembled.piece, assembled.parts())))
    }

    fn write_piece(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        self.part.write(piece, parts)
    }
}

impl TransferStore for DownloadStore {
    fn write_record(&self, have: &Bitfield) -> io::Result<()> {
        self.part.save_record(have)
    }
}

#[cfg(test)]
mod tests {
    use protocol::manifest::ManifestBuilder;

    use super::*;

    #[test]
    fn cancelled_check_keeps_the_record() {
        let root = tempfile::tempdir().unwrap();
        let folders = PartFolders::for_test(root.path());
        let target = root.path().join("a.bin");
        let data = vec![7; 3 << 18];
        let mut builder = ManifestBuilder::new(data.len() as u64).unwrap();
        builder.update(&data);
        let manifest = Arc::new(builder.finish().unwrap());
        let geometry = *manifest.geometry();
        let (part, _) = PartFile::open(&folders, &target, manifest.digest(), geometry).unwrap();
        std::fs::write(part.path(), &data).unwrap();
        part.save_record(&Bitfield::full(&geometry)).unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        let destination = Destination { folders, requested_path: target.clone(), target };
        let checked =
            |cancel: &CancellationToken| match open_and_verify(&destination, Arc::clone(&manifest), cancel) {
                DownloadJobOutcome::Prepared { outcome, .. } => outcome.unwrap().1.count(),
                other @ DownloadJobOutcome::RivalTested { .. } => panic!("{other:?}"),
            };
        assert_eq!(checked(&cancel), 0);
        assert_eq!(checked(&CancellationToken::new()), 3);
    }
}
