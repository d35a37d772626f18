use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::manifest::Manifest;
use rustix::fs::OFlags;

use super::part_record::PartRecord;
use super::place::{self, Place, PlaceError};
use crate::storage::{DIRECT_FROM, DirectFile, allocate, is_full};

mod naming;

/// A download's bytes while it is not whole: `<name>.part`, with its record beside it.
///
/// Everything here reads or writes the disk and belongs on a blocking thread.
#[derive(Debug)]
pub(super) struct PartFile {
    file: Arc<File>,
    /// The way past the page cache, for contents that are large enough to be worth it.
    direct: Option<DirectFile>,
    /// Whether what is written shall stay in the page cache, because others read it again soon.
    keep_cached: AtomicBool,
    place: Place,
    /// Whether it has a name and a record, which a content of one piece does without.
    is_named: bool,
    digest: Digest,
    geometry: Geometry,
    /// What an earlier attempt says is in it.
    claimed: Bitfield,
}

/// A part file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartFileError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("no room for {size} bytes at {}: {source}; make room and download it again", path.display())]
    NoRoom { path: PathBuf, size: u64, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl PartFile {
    /// Opens the part file of a content, an earlier attempt's if there is one. Returns the pieces that the earlier attempt
    /// says are in it.
    pub(super) fn open(
        root: &Path,
        target: &Path,
        digest: Digest,
        geometry: Geometry,
    ) -> Result<(Self, Bitfield), PartFileError> {
        let nothing = Bitfield::empty(&geometry);
        if geometry.piece_count() <= 1
            && let Some((place, file)) = open_nameless(root, target, &digest)?
        {
            return Ok((Self::new(file, place, false, digest, geometry), nothing));
        }
        let (place, record, file) = open_at_free_place(root, target, &digest)?;
        let claimed = record.and_then(|record| record.pieces(&geometry));
        let at = |source| PartFileError::Io { path: place.part.clone(), source };
        let metadata = file.metadata().map_err(at)?;
        if !metadata.is_file() {
            return Err(at(io::Error::other("it is not a regular file")));
        }
        let is_noted = claimed.is_some();
        let claimed = claimed.unwrap_or(nothing);
        let mut part = Self::new(file, place, true, digest, geometry);
        part.claimed.clone_from(&claimed);
        if !is_noted {
            part.save_record(&claimed)
                .map_err(|source| PartFileError::Io { path: part.place.record.clone(), source })?;
        }
        part.allocate()?;
        Ok((part, claimed))
    }

    fn new(file: File, place: Place, is_named: bool, digest: Digest, geometry: Geometry) -> Self {
        let direct = if geometry.size() >= DIRECT_FROM { DirectFile::of(&file) } else { None };
        let (file, keep_cached) = (Arc::new(file), AtomicBool::new(false));
        let claimed = Bitfield::empty(&geometry);
        Self { file, direct, keep_cached, place, is_named, digest, geometry, claimed }
    }

    /// Takes the room on disk at once, so that a full disk shows now and not later.
    fn allocate(&self) -> Result<(), PartFileError> {
        let (path, size) = (self.place.part.clone(), self.geometry.size());
        let at = |source| PartFileError::Io { path: path.clone(), source };
        let before = self.file.metadata().map_err(at)?.len();
        allocate(&self.file, size).map_err(|source| {
            if !is_full(&source) && source.kind() != io::ErrorKind::FileTooLarge {
                return at(source);
            }
            // What was had of the room goes back: a download that waits for more keeps it from nobody.
            let _ = self.file.set_len(before);
            PartFileError::NoRoom { path: path.clone(), size, source }
        })
    }

    /// Returns where the file is as long as it is not whole.
    pub(super) fn path(&self) -> &Path {
        &self.place.part
    }

    /// Returns where the file shall be once it is whole.
    pub(super) fn target(&self) -> &Path {
        &self.place.target
    }

    /// Returns the file for those who read what is verified.
    pub(super) fn shared(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Says whether others read soon what is written from now on, which then stays in memory.
    pub(super) fn keep_cached(&self, keep: bool) {
        self.keep_cached.store(keep, Ordering::Relaxed);
    }

    /// Writes a piece, given in parts.
    pub(super) fn write(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        let mut offset = self.geometry.piece_offset(piece);
        let direct = self.direct.as_ref().filter(|_| !self.keep_cached.load(Ordering::Relaxed));
        if let Some(direct) = direct
            && direct.write(parts, offset)?
        {
            return Ok(());
        }
        for part in parts {
            self.file.write_all_at(part, offset)?;
            offset += part.len() as u64;
        }
        Ok(())
    }

    /// Copies all bytes of another file, without taking them through this program where the file system can.
    pub(super) fn fill_from(&self, path: &Path) -> io::Result<()> {
        let mut from =
            OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)?;
        io::copy(&mut from, &mut &*self.file)?;
        Ok(())
    }

    /// Says whether a piece on disk is right.
    pub(super) fn is_right(&self, piece: PieceIndex, manifest: &Manifest) -> bool {
        is_right(&self.file, piece, manifest)
    }

    /// Notes which pieces are here. What was claimed before stays claimed: if a piece has failed its check, that may have been
    /// the fault of a forged manifest.
    pub(super) fn save_record(&self, pieces: &Bitfield) -> io::Result<()> {
        if !self.is_named {
            return Ok(());
        }
        let mut all = pieces.clone();
        for piece in self.geometry.pieces().filter(|piece| self.claimed.has(*piece)) {
            all.insert(piece);
        }
        PartRecord::new(self.digest, self.geometry.size(), &all).save(&self.place.record)
    }
}

/// Says whether a piece in a file is right.
pub(super) fn is_right(file: &File, piece: PieceIndex, manifest: &Manifest) -> bool {
    let geometry = manifest.geometry();
    let mut bytes = vec![0; geometry.length_of(piece) as usize];
    let read = file.read_exact_at(&mut bytes, geometry.piece_offset(piece));
    read.is_ok() && manifest.is_piece(piece, [bytes.as_slice()])
}

/// Opens a file that has no name until it is whole, in the folder of the first free place; nothing where the file system
/// cannot do that.
fn open_nameless(
    root: &Path,
    target: &Path,
    digest: &Digest,
) -> Result<Option<(Place, File)>, PartFileError> {
    let place = place::find(root, target, digest)?;
    let folder = place.target.parent().unwrap_or(Path::new("."));
    let flags = OFlags::TMPFILE.bits().cast_signed();
    match OpenOptions::new().read(true).write(true).custom_flags(flags).open(folder) {
        // Without a way to its name it would never get one.
        Ok(file) => Ok(naming::descriptor(&file).exists().then_some((place, file))),
        // Whatever the trouble is, the ordinary way shows whether it is one.
        Err(_) => Ok(None),
    }
}

/// Opens the part file at the first place that is free or holds an earlier attempt, and returns that attempt's record.
fn open_at_free_place(
    root: &Path,
    target: &Path,
    digest: &Digest,
) -> Result<(Place, Option<PartRecord>, File), PartFileError> {
    loop {
        let place = place::find(root, target, digest)?;
        let record = PartRecord::load(&place.record).filter(|record| record.is_of(digest));
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(record.is_some())
            .create_new(record.is_none())
            .truncate(false)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&place.part);
        match opened {
            Ok(file) => return Ok((place, record, file)),
            // Another download of the same name has taken the place just now.
            Err(error) if record.is_none() && error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(PartFileError::Io { path: place.part, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn part(root: &Path) -> (PartFile, Bitfield) {
        let geometry = Geometry::native(3 << 18).unwrap();
        PartFile::open(root, &root.join("a.bin"), Digest::from_bytes([7; 32]), geometry).unwrap()
    }

    #[test]
    fn nothing_is_visible_under_its_name_before_the_end() {
        let root = tempfile::tempdir().unwrap();
        let (part, claimed) = part(root.path());
        assert_eq!(claimed.count(), 0);
        let target = part.place.target.clone();
        let halves = [vec![1; 1 << 17], vec![2; 1 << 17]];
        for piece in part.geometry.pieces() {
            part.write(piece, &[&halves[0], &halves[1]]).unwrap();
        }
        assert!(!target.exists());
        assert_eq!(part.name().unwrap().settled(), target);
        assert_eq!(fs::read(&target).unwrap(), halves.concat().repeat(3));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_content_of_one_piece_leaves_no_trace_before_it_is_whole() {
        let root = tempfile::tempdir().unwrap();
        let (geometry, target) = (Geometry::native(5).unwrap(), root.path().join("a.bin"));
        let open =
            |tag| PartFile::open(root.path(), &target, Digest::from_bytes([tag; 32]), geometry).unwrap().0;
        for (part, name) in [(open(1), "a.bin"), (open(2), "a (1).bin")] {
            part.write(geometry.last_piece().unwrap(), &[b"12345"]).unwrap();
            part.save_record(&Bitfield::full(&geometry)).unwrap();
            let named = part.name().unwrap();
            assert_eq!(named.folder(), root.path());
            assert_eq!(named.settled(), root.path().join(name));
            assert_eq!(fs::read(root.path().join(name)).unwrap(), b"12345");
        }
        let dropped = open(3);
        dropped.write(geometry.last_piece().unwrap(), &[b"12345"]).unwrap();
        drop(dropped);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_name_taken_meanwhile_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let (part, _) = part(root.path());
        fs::write(root.path().join("a.bin"), "other").unwrap();
        assert_eq!(part.name().unwrap().settled(), root.path().join("a (1).bin"));
        assert_eq!(fs::read(root.path().join("a.bin")).unwrap(), b"other");
    }

    #[test]
    fn downloads_of_one_name_that_begin_together_do_not_share_a_part_file() {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("a.bin");
        let geometry = Geometry::native(1 << 20).unwrap();
        let start = std::sync::Barrier::new(8);
        let begin = |tag| {
            start.wait();
            let digest = Digest::from_bytes([tag; 32]);
            PartFile::open(root.path(), &target, digest, geometry).unwrap().0.path().to_owned()
        };
        let parts: Vec<PathBuf> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|tag| {
                    let begin = &begin;
                    scope.spawn(move || begin(tag))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let different: std::collections::BTreeSet<&PathBuf> = parts.iter().collect();
        assert_eq!(different.len(), parts.len());
    }

    #[test]
    fn what_was_noted_is_claimed_again() {
        let root = tempfile::tempdir().unwrap();
        let (first, mut pieces) = part(root.path());
        pieces.insert(first.geometry.piece(1).unwrap());
        first.save_record(&pieces).unwrap();
        drop(first);
        assert_eq!(part(root.path()).1, pieces);
        fs::write(root.path().join("a.bin.part"), "cut short").unwrap();
        let (again, claimed) = part(root.path());
        assert_eq!(claimed, pieces);
        assert_eq!(fs::metadata(again.path()).unwrap().len(), again.geometry.size());
        again.save_record(&Bitfield::empty(&again.geometry)).unwrap();
        assert_eq!(part(root.path()).1, pieces, "a claim is not withdrawn");
    }
}
