use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::geometry::Geometry;
use rustix::fs::{CWD, OFlags};
use serde::{Deserialize, Serialize};

use super::group_file::GroupFileError;
use super::receipt::Receipt;
use crate::storage::{
    allocate, is_disk_full, load_record, lock, pieces_from_digits, pieces_to_digits, remove_record,
    rename_no_replace, save_record,
};

/// The content of a peer as long as pieces are missing: `<name>.part`, with its note beside it.
#[derive(Debug)]
pub(super) struct GroupPartFile {
    geometry: Geometry,
    path: PathBuf,
    file: Arc<File>,
    /// The number of the file on its disk.
    inode: u64,
}

/// What `<name>.part.json` says of the part beside it. Nothing can verify the pieces of this dialect, so the note is written
/// only when they are safe on the disk, and counts only for the very file of which it speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GroupPartRecord {
    version: u32,
    size: u64,
    piece_size: u32,
    /// The number of the part file on its disk.
    inode: u64,
    /// The pieces that are here, as a hexadecimal bitfield, high bit first.
    pieces: String,
}

impl GroupPartFile {
    /// Opens the part of a file, an earlier attempt's if there is one, and returns which pieces are in it.
    pub(super) fn open(target: &Path, geometry: Geometry) -> Result<(Self, Bitfield), GroupFileError> {
        let path = with_suffix(target, ".part");
        let at = GroupFileError::at(&path);
        let (file, is_new) = open(&path).map_err(&at)?;
        let metadata = file.metadata().map_err(&at)?;
        if !metadata.is_file() {
            return Err(GroupFileError::NotAFile(path));
        }
        if !lock(&file).map_err(&at)? {
            return Err(GroupFileError::InUse(path));
        }
        let is_same = !is_new && metadata.len() == geometry.size();
        let note: Option<GroupPartRecord> = load_record(&record_path(&path)).filter(|_| is_same);
        let here = note.and_then(|note| note.pieces(&geometry, metadata.ino()));
        if here.is_none() {
            // What nobody vouches for must not be taken for anything later.
            remove_record(&record_path(&path));
            file.set_len(0).map_err(&at)?;
        }
        allocate(&file, geometry.size()).map_err(|source| {
            if is_disk_full(&source) {
                GroupFileError::DiskFull { path: path.clone(), size: geometry.size(), source }
            } else {
                at(source)
            }
        })?;
        let part = Self { geometry, inode: metadata.ino(), file: Arc::new(file), path: path.clone() };
        Ok((part, here.unwrap_or_else(|| Bitfield::empty(&geometry))))
    }

    pub(super) fn file_handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Makes the pieces durable and then says so.
    pub(super) fn record_pieces(&self, here: &Bitfield) -> io::Result<()> {
        self.file.sync_data()?;
        save_record(&record_path(&self.path), &GroupPartRecord::new(&self.geometry, self.inode, here), |_| {
            false
        })
    }

    /// Makes the file durable, records that it was received, and gives it its name.
    pub(super) fn finalize(&self, target: &Path) -> Result<(), GroupFileError> {
        self.file.sync_all().map_err(GroupFileError::at(&self.path))?;
        // Before the name is given, so that no crash leaves a file that the next run does not know.
        if let Err(error) = Receipt::write(target, &self.file) {
            tracing::warn!(%error, file = %target.display(), "record of the received file not written");
        }
        rename_no_replace((CWD, &self.path), (CWD, target)).map_err(GroupFileError::at(target))?;
        let folder = target.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(GroupFileError::at(folder))?;
        remove_record(&record_path(&self.path));
        Ok(())
    }
}

impl GroupPartRecord {
    const VERSION: u32 = 1;

    fn new(geometry: &Geometry, inode: u64, here: &Bitfield) -> Self {
        let (size, piece_size, pieces) = (geometry.size(), geometry.piece_length(), pieces_to_digits(here));
        Self { version: Self::VERSION, size, piece_size, inode, pieces }
    }

    /// Returns the pieces, if it speaks of that file and of nothing else.
    fn pieces(&self, geometry: &Geometry, inode: u64) -> Option<Bitfield> {
        let here = pieces_from_digits(geometry, &self.pieces)?;
        (*self == Self::new(geometry, inode, &here)).then_some(here)
    }
}

/// Opens the part; says whether it was not there before.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).write(true).custom_flags(flags.bits().cast_signed());
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((options.open(path)?, false)),
        made => Ok((made?, true)),
    }
}

/// Returns where the note of a part lies.
fn record_path(part: &Path) -> PathBuf {
    with_suffix(part, ".json")
}

/// Returns a path with something behind its last name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
