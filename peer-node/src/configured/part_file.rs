use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::bitfield::Bitfield;
use protocol::geometry::Geometry;
use serde::{Deserialize, Serialize};

use super::group_file::GroupFileError;
use super::receipt::Receipt;
use crate::platform::{LinkPolicy, file_id, lock, open_nonblocking, rename_no_replace, sync_folder};
use crate::storage::{
    allocate, is_disk_full, load_record, pieces_from_digits, pieces_to_digits, remove_record, save_record,
};

/// The partial file of a peer, `<name>.part`, and the record beside it.
#[derive(Debug)]
pub(super) struct GroupPartFile {
    geometry: Geometry,
    path: PathBuf,
    file: Arc<File>,
    /// Inode number of the part file.
    inode: u64,
}

/// The contents of `<name>.part.json`. This dialect has no hashes to verify the pieces, so the record is written only after
/// the pieces are durable, and is valid only for the very file that it describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GroupPartRecord {
    version: u32,
    size: u64,
    piece_size: u32,
    /// Inode number of the part file.
    inode: u64,
    /// Stored pieces, as a hexadecimal bitfield, high bit first.
    pieces: String,
}

impl GroupPartFile {
    /// Opens the part file, or creates it, and returns the pieces that it contains.
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
        let record: Option<GroupPartRecord> = load_record(&record_path(&path)).filter(|_| is_same);
        let inode = file_id(&metadata).map_err(&at)?.inode;
        let have = record.and_then(|record| record.pieces(&geometry, inode));
        if have.is_none() {
            // Unrecorded bytes must never be mistaken for pieces.
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
        let part = Self { geometry, inode, file: Arc::new(file), path: path.clone() };
        Ok((part, have.unwrap_or_else(|| Bitfield::empty(&geometry))))
    }

    pub(super) fn file_handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Makes the pieces durable, then records them.
    pub(super) fn record_pieces(&self, have: &Bitfield) -> io::Result<()> {
        self.file.sync_data()?;
        save_record(&record_path(&self.path), &GroupPartRecord::new(&self.geometry, self.inode, have), |_| {
            false
        })
    }

    /// Makes the file durable, records it as received, and gives it its final name.
    pub(super) fn finalize(&self, target: &Path) -> Result<(), GroupFileError> {
        self.file.sync_all().map_err(GroupFileError::at(&self.path))?;
        // The receipt is written before the rename, so that no crash leaves a file that the next run does not recognise.
        if let Err(error) = Receipt::write(target, &self.file) {
            tracing::warn!(%error, file = %target.display(), "receipt of the received file not written");
        }
        rename_no_replace(&self.path, target).map_err(GroupFileError::at(target))?;
        let folder = target.parent().unwrap_or(Path::new("."));
        sync_folder(folder).map_err(GroupFileError::at(folder))?;
        remove_record(&record_path(&self.path));
        Ok(())
    }
}

impl GroupPartRecord {
    const VERSION: u32 = 1;

    fn new(geometry: &Geometry, inode: u64, have: &Bitfield) -> Self {
        let (size, piece_size, pieces) = (geometry.size(), geometry.piece_length(), pieces_to_digits(have));
        Self { version: Self::VERSION, size, piece_size, inode, pieces }
    }

    /// Returns the pieces, if the record describes exactly this file.
    fn pieces(&self, geometry: &Geometry, inode: u64) -> Option<Bitfield> {
        let have = pieces_from_digits(geometry, &self.pieces)?;
        (*self == Self::new(geometry, inode, &have)).then_some(have)
    }
}

/// Opens the part file. Returns true if it was created.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let open = |options: &mut OpenOptions| open_nonblocking(path, options, LinkPolicy::Refuse);
    match open(options.clone().create_new(true)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((open(&mut options)?, false)),
        created => Ok((created?, true)),
    }
}

/// Returns the path of a part file's record.
fn record_path(part: &Path) -> PathBuf {
    with_suffix(part, ".json")
}

/// Appends a suffix to the file name of a path.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
