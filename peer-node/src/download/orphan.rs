//! Parts that have lost their record: known again by the pieces in them.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use protocol::bitfield::Bitfield;
use protocol::manifest::Manifest;
use rustix::fs::OFlags;
use tokio_util::sync::CancellationToken;

use super::part_file::is_right;
use super::part_record::PartRecord;
use super::place::{self, Place};
use crate::storage::lock;

/// Gives a part of this content that has lost its record, or has one that cannot be understood, a new record. It claims all
/// pieces, since each is hashed before it counts. A part is one of this content if a piece in it is; somebody else's file is
/// left alone.
pub(super) fn adopt(root: &Path, target: &Path, manifest: &Manifest, cancel: &CancellationToken) {
    let digest = manifest.digest();
    if place::has_part(root, target, &digest) {
        return;
    }
    for Place { part, record, .. } in place::orphans(target) {
        let Some(file) = open(&part) else { continue };
        // One that a torrent is being downloaded to has an owner, and a record that says nothing here.
        if !lock(&file).unwrap_or(true) {
            continue;
        }
        let mut pieces = manifest.geometry().pieces().take_while(|_| !cancel.is_cancelled());
        if !pieces.any(|piece| is_right(&file, piece, manifest)) {
            continue;
        }
        tracing::info!(part = %part.display(), "part without a record taken up");
        let claimed = Bitfield::full(manifest.geometry());
        if let Err(error) = PartRecord::new(digest, manifest.geometry().size(), &claimed).save(&record) {
            tracing::warn!(%error, "record of a part not written");
        }
        return;
    }
}

fn open(part: &Path) -> Option<File> {
    // Nothing else is even opened: a pipe would never answer.
    let is_file = fs::symlink_metadata(part).is_ok_and(|metadata| metadata.is_file());
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    if is_file { OpenOptions::new().read(true).custom_flags(flags).open(part).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use protocol::manifest::ManifestBuilder;

    use super::*;

    fn manifest(data: &[u8]) -> Manifest {
        let mut builder = ManifestBuilder::new(data.len() as u64).unwrap();
        builder.update(data);
        builder.finish().unwrap()
    }

    #[test]
    fn a_part_is_known_by_any_of_its_pieces() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a.bin");
        let data: Vec<u8> = [1, 2, 3].into_iter().flat_map(|byte| vec![byte; 1 << 18]).collect();
        let cancel = CancellationToken::new();
        let manifest = manifest(&data);
        let adopt = || {
            adopt(root.path(), &target, &manifest, &cancel);
            place::find(root.path(), &target, &manifest.digest()).unwrap()
        };
        let first = adopt();
        assert!(!first.record.exists());
        fs::write(&first.part, vec![9; data.len()]).unwrap();
        let second = adopt();
        assert!(second != first && !first.record.exists(), "somebody else's file");
        fs::write(&second.part, &data[..2 << 18]).unwrap();
        fs::write(&second.record, "garbage").unwrap();
        assert_eq!(adopt(), second);
        let record = PartRecord::load(&second.record).unwrap();
        assert_eq!(record.pieces(manifest.geometry()), Some(Bitfield::full(manifest.geometry())));
        assert_eq!(fs::read(&first.part).unwrap(), vec![9; data.len()]);
    }
}
