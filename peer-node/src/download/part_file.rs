use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::manifest::Manifest;

use super::file_attributes::FileAttributes;
use super::location::{self, LocationError};
use super::part_folders::{PartFolders, PartLocation};
use super::part_record::PartRecord;
use crate::platform::{FileAt, Folder, has_data, has_descriptor_path, make_executable};
use crate::storage::{DirectFile, MIN_DIRECT_SIZE, allocate, is_disk_full, sync_record};

mod finalization;

/// How often the record is made durable while pieces arrive.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// The data of an incomplete download, with a record of the verified pieces.
///
/// All functions access the disk and belong on a blocking thread.
#[derive(Debug)]
pub(super) struct PartFile {
    file: Arc<File>,
    /// Direct I/O past the page cache, for contents large enough to benefit.
    direct: Option<DirectFile>,
    /// Whether written data should stay in the page cache because other nodes read it soon.
    keep_cached: AtomicBool,
    folders: PartFolders,
    /// The final name of the file.
    target: PathBuf,
    /// Location of the part file. Small contents and copies have no name and no record until they are complete.
    named: Option<Box<NamedPart>>,
    digest: Digest,
    geometry: Geometry,
    /// The pieces that an earlier attempt recorded, unverified.
    claimed: Bitfield,
}

/// The location of a part file with a name.
#[derive(Debug)]
struct NamedPart {
    location: PartLocation,
    /// When the record was last made durable.
    record_synced_at: Mutex<Instant>,
}

/// Why a part file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartFileError {
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error("not enough space for {size} bytes at {}: {source}; free some space and download again", path.display())]
    NoSpace { path: PathBuf, size: u64, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl PartFile {
    /// Opens or creates the part file of a content downloaded to `target`. Returns the pieces that an earlier attempt may have
    /// left in it, unverified.
    pub(super) fn open(
        folders: &PartFolders,
        target: &Path,
        digest: Digest,
        geometry: Geometry,
    ) -> Result<(Self, Bitfield), PartFileError> {
        if geometry.piece_count() <= 1
            && let Some(file) = open_unnamed(&location::create_folder(folders.root(), target)?)
        {
            let part = Self::new(file, (folders, target), None, digest, geometry);
            return Ok((part, Bitfield::empty(&geometry)));
        }
        let part = Self::open_named(folders, target, digest, geometry)?;
        part.allocate()?;
        let claimed = part.claimed.clone();
        Ok((part, claimed))
    }

    /// Opens a file for a copy of content on this machine. It is unnamed where the file system supports that, since an
    /// interrupted copy starts over. Allocates no disk space yet.
    pub(super) fn open_for_copy(
        folders: &PartFolders,
        target: &Path,
        digest: Digest,
        geometry: Geometry,
    ) -> Result<Self, PartFileError> {
        match open_unnamed(&location::create_folder(folders.root(), target)?) {
            Some(file) => Ok(Self::new(file, (folders, target), None, digest, geometry)),
            None => Self::open_named(folders, target, digest, geometry),
        }
    }

    fn open_named(
        folders: &PartFolders,
        target: &Path,
        digest: Digest,
        geometry: Geometry,
    ) -> Result<Self, PartFileError> {
        let location = folders.location(target, &digest, geometry.size())?;
        let paths = location.paths.clone();
        let (file, is_new) =
            location.open_part().map_err(|source| PartFileError::Io { path: paths.part.clone(), source })?;
        let record =
            PartRecord::load(&location.record_path()).filter(|record| record.matches(&digest) && !is_new);
        let recorded = record.and_then(|record| record.pieces(&geometry));
        let is_recorded = recorded.is_some();
        // The file name identifies the content of a part without a record. Claimed pieces are verified before use.
        let unknown = || if is_new { Bitfield::empty(&geometry) } else { Bitfield::full(&geometry) };
        let claimed = recorded.unwrap_or_else(unknown);
        let named = NamedPart { location, record_synced_at: Mutex::new(Instant::now()) };
        let mut part = Self::new(file, (folders, target), Some(Box::new(named)), digest, geometry);
        part.claimed.clone_from(&claimed);
        if !is_recorded {
            part.save_record(&claimed)
                .map_err(|source| PartFileError::Io { path: paths.record.clone(), source })?;
        }
        Ok(part)
    }

    fn new(
        file: File,
        (folders, target): (&PartFolders, &Path),
        named: Option<Box<NamedPart>>,
        digest: Digest,
        geometry: Geometry,
    ) -> Self {
        let direct = if geometry.size() >= MIN_DIRECT_SIZE { DirectFile::open(&file) } else { None };
        let (file, keep_cached) = (Arc::new(file), AtomicBool::new(false));
        let claimed = Bitfield::empty(&geometry);
        let (folders, target) = (folders.clone(), target.to_owned());
        Self { file, direct, keep_cached, folders, target, named, digest, geometry, claimed }
    }

    /// Allocates the disk space of the whole file, so that a full disk is noticed now and not later.
    pub(super) fn allocate(&self) -> Result<(), PartFileError> {
        let (path, size) = (self.path().to_owned(), self.geometry.size());
        let at = |source| PartFileError::Io { path: path.clone(), source };
        let before = self.file.metadata().map_err(at)?.len();
        allocate(&self.file, size).map_err(|source| {
            if !is_disk_full(&source) && source.kind() != io::ErrorKind::FileTooLarge {
                return at(source);
            }
            // Release the partial allocation: a download that waits for space must not occupy any.
            let _ = self.file.set_len(before);
            PartFileError::NoSpace { path: path.clone(), size, source }
        })
    }

    /// Returns the current path of the file, or its final path while it is unnamed.
    pub(super) fn path(&self) -> &Path {
        self.named.as_ref().map_or(&self.target, |named| &named.location.paths.part)
    }

    /// Returns the final path of the file.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the open file, for readers of verified pieces.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Sets whether data written from now on stays in the page cache because other nodes read it soon.
    pub(super) fn keep_cached(&self, keep: bool) {
        self.keep_cached.store(keep, Ordering::Relaxed);
    }

    /// Writes a piece that is given as several slices.
    pub(super) fn write(&self, piece: PieceIndex, parts: &[&[u8]]) -> io::Result<()> {
        let mut offset = self.geometry.piece_offset(piece);
        debug_assert_eq!(
            parts.iter().map(|part| part.len()).sum::<usize>(),
            self.geometry.length_of(piece) as usize,
            "the slices are the whole piece"
        );
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

    /// Sets the modification time and the executable bit of the source. A file system that cannot store them is not an
    /// error.
    pub(super) fn set_attributes(&self, details: FileAttributes) {
        let modified = details.modified.map_or(Ok(()), |modified| self.file.set_modified(modified));
        let executable = if details.executable { make_executable(&self.file) } else { Ok(()) };
        if let Err(error) = modified.and(executable) {
            tracing::warn!(path = %self.target.display(), %error, "cannot set the modification time or mode");
        }
    }

    /// Returns true if a piece has data on disk; holes need not be read.
    pub(super) fn has_bytes(&self, piece: PieceIndex) -> bool {
        let start = self.geometry.piece_offset(piece);
        debug_assert!(start < self.geometry.size(), "a piece begins inside the content");
        has_data(&self.file, start..start + u64::from(self.geometry.length_of(piece)))
    }

    /// Returns true if a piece on disk is valid.
    pub(super) fn is_piece_valid(&self, piece: PieceIndex, manifest: &Manifest) -> bool {
        debug_assert_eq!(*manifest.geometry(), self.geometry, "the manifest divides this content");
        is_piece_valid(&self.file, piece, manifest)
    }

    /// Records the verified pieces. Pieces claimed earlier stay in the record: one that failed verification may be valid under
    /// another manifest if this one is forged.
    pub(super) fn save_record(&self, pieces: &Bitfield) -> io::Result<()> {
        let Some(named) = &self.named else { return Ok(()) };
        let mut all = pieces.clone();
        for piece in self.geometry.pieces().filter(|piece| self.claimed.has(*piece)) {
            all.insert(piece);
        }
        debug_assert!(all.count() >= pieces.count(), "claims are added, and nothing is lost");
        let record = named.location.record_path();
        PartRecord::new(self.digest, self.geometry.size(), &all).save(&record)?;
        let mut synced = named.record_synced_at.lock();
        if synced.elapsed() >= SYNC_INTERVAL {
            sync_record(&record)?;
            *synced = Instant::now();
        }
        Ok(())
    }
}

/// Returns true if a piece in a file is valid.
pub(super) fn is_piece_valid(file: &File, piece: PieceIndex, manifest: &Manifest) -> bool {
    let geometry = manifest.geometry();
    let mut bytes = vec![0; geometry.length_of(piece) as usize];
    let read = file.read_exact_at(&mut bytes, geometry.piece_offset(piece));
    read.is_ok() && manifest.verify_piece(piece, [bytes.as_slice()])
}

/// Opens a file without a name in the folder of its target. Returns `None` where the file system does not support that.
fn open_unnamed(folder: &Folder) -> Option<File> {
    // Any error shows up again when the file is opened by name.
    let file = folder.open_unnamed().ok()?;
    // Linking the file later goes through /proc; without it the file could never get a name.
    has_descriptor_path(&file).then_some(file)
}

#[cfg(test)]
mod tests;
