use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::bitfield::Bitfield;
use protocol::digest::Digest;
use protocol::geometry::{Geometry, PieceIndex};
use protocol::manifest::Manifest;
use rustix::fs::SeekFrom;

use super::file_attributes::FileAttributes;
use super::location::{self, LocationError};
use super::part_folders::{PartFolders, PartLocation};
use super::part_record::PartRecord;
use crate::storage::{
    DirectFile, Folder, MIN_DIRECT_SIZE, allocate, descriptor_path, is_disk_full, sync_record,
};

mod finalization;

/// How often the record is made durable while pieces come in.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// A download's bytes while it is not whole, with a record of the pieces that are verified.
///
/// Everything here reads or writes the disk and belongs on a blocking thread.
#[derive(Debug)]
pub(super) struct PartFile {
    file: Arc<File>,
    /// The way past the page cache, for contents that are large enough to be worth it.
    direct: Option<DirectFile>,
    /// Whether what is written shall stay in the page cache, because others read it again soon.
    keep_cached: AtomicBool,
    folders: PartFolders,
    /// The name that the file will have.
    target: PathBuf,
    /// Where it lies; a small content or a copy has no name and no record before it is whole.
    named: Option<Box<NamedPart>>,
    digest: Digest,
    geometry: Geometry,
    /// What an earlier attempt says is in it.
    claimed: Bitfield,
}

/// A part file that has a name.
#[derive(Debug)]
struct NamedPart {
    location: PartLocation,
    /// When its record was last made durable.
    record_synced_at: Mutex<Instant>,
}

/// A part file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PartFileError {
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error("no room for {size} bytes at {}: {source}; make room and download it again", path.display())]
    NoSpace { path: PathBuf, size: u64, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl PartFile {
    /// Opens the part file of a content that is downloaded to `target`, an earlier attempt's if there is one. Returns the pieces
    /// that may be in it.
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

    /// Opens a file for a copy of a content that is on this machine, which begins anew if it is interrupted: without a name
    /// where the file system can do that. Takes no room yet.
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
        let place = folders.location(target, &digest, geometry.size())?;
        let paths = place.paths.clone();
        let (file, is_new) =
            place.open_part().map_err(|source| PartFileError::Io { path: paths.part.clone(), source })?;
        let record =
            PartRecord::load(&place.record_path()).filter(|record| record.matches(&digest) && !is_new);
        let noted = record.and_then(|record| record.pieces(&geometry));
        let is_noted = noted.is_some();
        // The name tells whose a part without a record is. Every claim is verified before it counts.
        let unknown = || if is_new { Bitfield::empty(&geometry) } else { Bitfield::full(&geometry) };
        let claimed = noted.unwrap_or_else(unknown);
        let named = NamedPart { location: place, record_synced_at: Mutex::new(Instant::now()) };
        let mut part = Self::new(file, (folders, target), Some(Box::new(named)), digest, geometry);
        part.claimed.clone_from(&claimed);
        if !is_noted {
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

    /// Takes the room on disk at once, so that a full disk shows now and not later.
    pub(super) fn allocate(&self) -> Result<(), PartFileError> {
        let (path, size) = (self.path().to_owned(), self.geometry.size());
        let at = |source| PartFileError::Io { path: path.clone(), source };
        let before = self.file.metadata().map_err(at)?.len();
        allocate(&self.file, size).map_err(|source| {
            if !is_disk_full(&source) && source.kind() != io::ErrorKind::FileTooLarge {
                return at(source);
            }
            // What was had of the room goes back: a download that waits for more keeps it from nobody.
            let _ = self.file.set_len(before);
            PartFileError::NoSpace { path: path.clone(), size, source }
        })
    }

    /// Returns where the file is as long as it is not whole: its later name if it has none.
    pub(super) fn path(&self) -> &Path {
        self.named.as_ref().map_or(&self.target, |named| &named.location.paths.part)
    }

    /// Returns the name that the file is meant to have once it is whole.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns the file for those who read what is verified.
    pub(super) fn file(&self) -> Arc<File> {
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

    /// Sets the modification time and the executable bit of its source. A file system that cannot store them is no
    /// reason to fail.
    pub(super) fn set_attributes(&self, details: FileAttributes) {
        let modified = details.modified.map_or(Ok(()), |modified| self.file.set_modified(modified));
        let executable = if details.executable { self.make_executable() } else { Ok(()) };
        if let Err(error) = modified.and(executable) {
            tracing::warn!(path = %self.target.display(), %error, "modification time or mode not kept");
        }
    }

    /// Lets everybody execute the file who may read it.
    fn make_executable(&self) -> io::Result<()> {
        let mode = self.file.metadata()?.permissions().mode();
        self.file.set_permissions(Permissions::from_mode(mode | ((mode & 0o444) >> 2)))
    }

    /// Returns true if a piece has bytes on disk: nothing need be read where the file system knows of none.
    pub(super) fn has_bytes(&self, piece: PieceIndex) -> bool {
        let start = self.geometry.piece_offset(piece);
        match rustix::fs::seek(&*self.file, SeekFrom::Data(start)) {
            Ok(data) => data < start + u64::from(self.geometry.length_of(piece)),
            Err(rustix::io::Errno::NXIO) => false,
            Err(_) => true,
        }
    }

    /// Says whether a piece on disk is right.
    pub(super) fn is_piece_valid(&self, piece: PieceIndex, manifest: &Manifest) -> bool {
        is_piece_valid(&self.file, piece, manifest)
    }

    /// Notes which pieces are here. What was claimed before stays claimed: if a piece has failed its check, that may have been
    /// the fault of a forged manifest.
    pub(super) fn save_record(&self, pieces: &Bitfield) -> io::Result<()> {
        let Some(named) = &self.named else { return Ok(()) };
        let mut all = pieces.clone();
        for piece in self.geometry.pieces().filter(|piece| self.claimed.has(*piece)) {
            all.insert(piece);
        }
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

/// Says whether a piece in a file is right.
pub(super) fn is_piece_valid(file: &File, piece: PieceIndex, manifest: &Manifest) -> bool {
    let geometry = manifest.geometry();
    let mut bytes = vec![0; geometry.length_of(piece) as usize];
    let read = file.read_exact_at(&mut bytes, geometry.piece_offset(piece));
    read.is_ok() && manifest.verify_piece(piece, [bytes.as_slice()])
}

/// Opens a file that has no name until it is whole, in the folder of its target; nothing where the file system cannot do
/// that.
fn open_unnamed(folder: &Folder) -> Option<File> {
    // Whatever the trouble is, the ordinary way shows whether it is one.
    let file = folder.open_unnamed().ok()?;
    // Without a way to its name it would never get one.
    descriptor_path(&file).exists().then_some(file)
}

#[cfg(test)]
mod tests;
