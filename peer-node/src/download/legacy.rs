//! Adopts partial files of release 0.1.0, which lay beside the target as `NAME.part` and `NAME.part.json`, by moving them to
//! their current location.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::manifest::Manifest;
use protocol::share_path::safe_file_name;
use tokio_util::sync::CancellationToken;

use super::location::{is_free, numbered_names};
use super::part_file::is_piece_valid;
use super::part_folders::PartPaths;
use super::part_record::PartRecord;
use crate::platform::{LinkPolicy, lock, open_nonblocking, rename_no_replace, sync_folder};
use crate::storage::{load_record, remove_record};

/// A candidate for adoption.
struct LegacyPart {
    paths: PartPaths,
    /// Its record, if readable.
    record: Option<PartRecord>,
}

/// Returns true if release 0.1.0 left a part of a content downloaded to `requested_path`.
pub(super) fn exists(requested_path: &Path, digest: &Digest) -> bool {
    legacy_parts(requested_path).any(|old| old.record.is_some_and(|record| record.matches(digest)))
}

/// Moves the part of a content downloaded to `requested_path` to `paths`, if there is one. A part without a usable record is
/// accepted if it contains any valid piece of the content; other files are not touched.
pub(super) fn adopt(
    paths: &PartPaths,
    requested_path: &Path,
    manifest: &Manifest,
    cancel: &CancellationToken,
) {
    let (digest, geometry) = (manifest.digest(), manifest.geometry());
    let mut is_adopted = !is_free(&paths.part);
    for LegacyPart { paths: old, record } in legacy_parts(requested_path) {
        let claimed = match record {
            Some(record) if record.matches(&digest) => record.pieces(geometry),
            Some(_) => None,
            // The record belongs to a stopped torrent, which will continue from this part.
            None if !is_free(&old.record) && !is_damaged(&old.record) => None,
            None => belongs_to(&old.part, manifest, cancel).then(|| Bitfield::full(geometry)),
        };
        let Some(claimed) = claimed else { continue };
        if is_adopted {
            // After power cuts that emptied records, one content can have several parts. A file without any record may belong to
            // another program and is kept.
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
                tracing::warn!(part = %old.part.display(), %error, "cannot adopt a partial file of an earlier version");
            }
        }
    }
}

/// Returns the parts beside `requested_path` and its numbered names, and beside the substitute name that release 0.1.0 used
/// where it could not store the requested one.
fn legacy_parts(requested_path: &Path) -> impl Iterator<Item = LegacyPart> {
    let name = requested_path.file_name().and_then(OsStr::to_str);
    let mapped = name.map(|name| requested_path.with_file_name(safe_file_name(name)));
    let mapped = mapped.filter(|mapped| mapped != requested_path);
    let mut parts: Vec<LegacyPart> = numbered_parts(requested_path).collect();
    parts.extend(mapped.iter().flat_map(|mapped| numbered_parts(mapped)));
    parts.into_iter()
}

/// Returns the parts beside a path and its numbered names, up to the first unused name.
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

/// Returns true if the file contains a valid piece of the content and no other process uses it.
fn belongs_to(part: &Path, manifest: &Manifest, cancel: &CancellationToken) -> bool {
    let Ok(file) = open_nonblocking(part, OpenOptions::new().read(true), LinkPolicy::Refuse) else {
        return false;
    };
    // A part that a torrent is downloading to is locked, and its record has another format.
    if !lock(&file).unwrap_or(true) {
        return false;
    }
    let mut pieces = manifest.geometry().pieces().take_while(|_| !cancel.is_cancelled());
    pieces.any(|piece| is_piece_valid(&file, piece, manifest))
}

/// Returns true if a record exists but is not valid JSON. A torrent's record is valid JSON.
fn is_damaged(record: &Path) -> bool {
    !is_free(record) && load_record::<serde_json::Value>(record).is_none()
}

/// Moves a part. The new record is durable before the rename, and the old record is removed last.
fn move_part(old: &PartPaths, new: &PartPaths, record: &PartRecord) -> io::Result<()> {
    record.save(&new.record)?;
    if let Err(error) = rename_no_replace(&old.part, &new.part) {
        remove_record(&new.record);
        return Err(error);
    }
    for part in [&new.part, &old.part] {
        part.parent().map_or(Ok(()), sync_folder)?;
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

    /// Adopts the parts beside `a.bin` in a folder. Returns the pieces claimed by the new record.
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
        // Another file took the name, so the part has the next numbered one.
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
        assert_eq!(left, mine, "files that may belong to other programs stay");
    }
}
