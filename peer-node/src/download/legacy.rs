//! Partial files of release 0.1.0, which lay beside the target as `NAME.part` and `NAME.part.json`: they are moved to where
//! partial files lie now.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::manifest::Manifest;
use protocol::share_path::safe_file_name;
use rustix::fs::{CWD, OFlags};
use tokio_util::sync::CancellationToken;

use super::location::{is_free, numbered_names};
use super::part_file::is_piece_valid;
use super::part_folders::PartPaths;
use super::part_record::PartRecord;
use crate::storage::{load_record, lock, remove_record, rename_no_replace};

/// A part that may be of use.
struct LegacyPart {
    paths: PartPaths,
    /// What its record says, if that can be understood.
    record: Option<PartRecord>,
}

/// Returns true if release 0.1.0 left a part of a content that was downloaded to `asked_for`.
pub(super) fn exists(asked_for: &Path, digest: &Digest) -> bool {
    legacy_parts(asked_for).any(|old| old.record.is_some_and(|record| record.matches(digest)))
}

/// Moves the part of a content that was downloaded to `asked_for` to `paths`, if there is one. A part without a usable record
/// is one of this content if any piece in it is; somebody else's file is left alone.
pub(super) fn adopt(paths: &PartPaths, asked_for: &Path, manifest: &Manifest, cancel: &CancellationToken) {
    let (digest, geometry) = (manifest.digest(), manifest.geometry());
    let mut is_adopted = !is_free(&paths.part);
    for LegacyPart { paths: old, record } in legacy_parts(asked_for) {
        let claimed = match record {
            Some(record) if record.matches(&digest) => record.pieces(geometry),
            Some(_) => None,
            // A torrent that was stopped will ask for its part again.
            None if !is_free(&old.record) && !is_damaged(&old.record) => None,
            None => belongs_to(&old.part, manifest, cancel).then(|| Bitfield::full(geometry)),
        };
        let Some(claimed) = claimed else { continue };
        if is_adopted {
            // Several parts of one content come from power cuts that emptied their records. Without a record it may be
            // another program's file.
            if is_damaged(&old.record) {
                tracing::info!(part = %old.part.display(), "second partial file of a content removed");
                old.remove();
            }
            continue;
        }
        match move_part(&old, paths, &PartRecord::new(digest, geometry.size(), &claimed)) {
            Ok(()) => {
                tracing::info!(part = %old.part.display(), "partial file of an earlier version adopted");
                is_adopted = true;
            }
            Err(error) => {
                tracing::warn!(part = %old.part.display(), %error, "partial file of an earlier version not adopted");
            }
        }
    }
}

/// Lists the parts beside `asked_for` and its numbered names, and beside the name that release 0.1.0 gave a file that it could
/// not save as it was called.
fn legacy_parts(asked_for: &Path) -> impl Iterator<Item = LegacyPart> {
    let name = asked_for.file_name().and_then(OsStr::to_str);
    let mapped = name.map(|name| asked_for.with_file_name(safe_file_name(name)));
    let mapped = mapped.filter(|mapped| mapped != asked_for);
    let mut parts: Vec<LegacyPart> = numbered_parts(asked_for).collect();
    parts.extend(mapped.iter().flat_map(|mapped| numbered_parts(mapped)));
    parts.into_iter()
}

/// Lists the parts beside a path and its numbered names, up to the first name that nothing has.
fn numbered_parts(path: &Path) -> impl Iterator<Item = LegacyPart> {
    let with_paths = numbered_names(path).map(|name| {
        let with = |ending: &str| {
            let mut path = name.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        };
        let paths = PartPaths { part: with(".part"), record: with(".part.json") };
        (name, paths)
    });
    let taken = with_paths.take_while(|(name, paths)| !(is_free(name) && is_free(&paths.part)));
    taken.filter_map(|(_, paths)| {
        let is_file = fs::symlink_metadata(&paths.part).is_ok_and(|found| found.is_file());
        is_file.then(|| LegacyPart { record: PartRecord::load(&paths.record), paths })
    })
}

/// Returns true if any piece of the content is in a file that nobody works on.
fn belongs_to(part: &Path, manifest: &Manifest, cancel: &CancellationToken) -> bool {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(part) else { return false };
    // One that a torrent is being downloaded to has an owner, and a record that says nothing here.
    if !lock(&file).unwrap_or(true) {
        return false;
    }
    let mut pieces = manifest.geometry().pieces().take_while(|_| !cancel.is_cancelled());
    pieces.any(|piece| is_piece_valid(&file, piece, manifest))
}

/// Returns true if a record is there and nothing in it can be understood: a torrent's can.
fn is_damaged(record: &Path) -> bool {
    !is_free(record) && load_record::<serde_json::Value>(record).is_none()
}

/// Moves a part: its new record is durable before it has its new name, and its old record goes last.
fn move_part(old: &PartPaths, new: &PartPaths, record: &PartRecord) -> io::Result<()> {
    record.save(&new.record)?;
    if let Err(error) = rename_no_replace((CWD, &old.part), (CWD, &new.part)) {
        remove_record(&new.record);
        return Err(error);
    }
    for part in [&new.part, &old.part] {
        part.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
    }
    remove_record(&old.record);
    Ok(())
}

#[cfg(test)]
mod tests {
    use protocol::manifest::ManifestBuilder;

    use super::*;

    fn content() -> Vec<u8> {
        [1, 2, 3].into_iter().flat_map(|byte| vec![byte; 1 << 18]).collect()
    }

    fn manifest() -> Manifest {
        let mut builder = ManifestBuilder::new(3 << 18).unwrap();
        builder.update(&content());
        builder.finish().unwrap()
    }

    /// Adopts what lies beside `a.bin` in a folder; returns what the record in the new place claims.
    fn adopted(root: &Path) -> Option<Bitfield> {
        let new = PartPaths { part: root.join("new.part"), record: root.join("new.part.json") };
        adopt(&new, &root.join("a.bin"), &manifest(), &CancellationToken::new());
        PartRecord::load(&new.record)?.pieces(manifest().geometry())
    }

    #[test]
    fn part_is_adopted_with_its_recorded_pieces() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let (digest, geometry) = (manifest().digest(), *manifest().geometry());
        // A name that another file took: the part had the next one.
        fs::write(at("a.bin"), "mine").unwrap();
        let mut pieces = Bitfield::empty(&geometry);
        pieces.insert(geometry.piece(1).unwrap());
        fs::write(at("a (1).bin.part"), content()).unwrap();
        PartRecord::new(digest, 3 << 18, &pieces).save(&at("a (1).bin.part.json")).unwrap();
        assert!(exists(&at("a.bin"), &digest) && !exists(&at("a.bin"), &Digest::EMPTY));
        assert_eq!(adopted(root.path()), Some(pieces));
        assert_eq!(fs::read(at("new.part")).unwrap(), content());
        let left = fs::read_dir(root.path()).unwrap().count();
        assert_eq!((left, fs::read(at("a.bin")).unwrap()), (3, b"mine".to_vec()));
    }

    #[test]
    fn part_of_a_stopped_torrent_stays_where_it_is() {
        let root = tempfile::tempdir().unwrap();
        let part = root.path().join("a.bin.part");
        fs::write(&part, content()).unwrap();
        let record = format!(r#"{{"version":1,"infohash":"{}","pieces":"ff"}}"#, "7".repeat(40));
        fs::write(root.path().join("a.bin.part.json"), record).unwrap();
        assert_eq!(adopted(root.path()), None);
        assert_eq!(fs::read(&part).unwrap(), content());
    }

    #[test]
    fn part_with_an_empty_record_is_known_by_its_pieces() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("a.bin.part"), vec![9; 3 << 18]).unwrap();
        fs::write(at("a.bin.part.json"), "").unwrap();
        assert_eq!(adopted(root.path()), None);
        for name in ["a (1).bin", "a (2).bin", "a (3).bin"] {
            fs::write(at(&format!("{name}.part")), &content()[..2 << 18]).unwrap();
            fs::write(at(&format!("{name}.part.json")), "").unwrap();
        }
        fs::remove_file(at("a (3).bin.part.json")).unwrap();
        assert_eq!(adopted(root.path()), Some(Bitfield::full(manifest().geometry())));
        let mut left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        left.sort();
        let mine = ["a (3).bin.part", "a.bin.part", "a.bin.part.json", "new.part", "new.part.json"];
        assert_eq!(left, mine, "what may be somebody else's stays");
    }
}
