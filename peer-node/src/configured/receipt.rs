//! The record of a completely received file, by which later runs recognise it.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::platform::{file_id, modified_time};
use crate::storage::{load_record, remove_record, save_record};

/// The contents of `.<name>.done.json`. This dialect has no hashes, so any change of the file, or any other file with its
/// name, invalidates the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    version: u32,
    size: u64,
    /// Inode number of the file.
    inode: u64,
    /// Modification time, in seconds since 1970 and nanoseconds.
    mtime: (i64, i64),
}

impl Receipt {
    const VERSION: u32 = 1;

    fn from_metadata(metadata: &Metadata) -> io::Result<Self> {
        let (inode, mtime) = (file_id(metadata)?.inode, modified_time(metadata));
        Ok(Self { version: Self::VERSION, size: metadata.len(), inode, mtime })
    }

    /// Records that the file with this final name was received completely.
    pub(super) fn write(target: &Path, file: &File) -> io::Result<()> {
        save_record(&receipt_path(target), &Self::from_metadata(&file.metadata()?)?, |_| false)
    }

    /// Returns true if the file with this name is the received one.
    pub(super) fn matches(target: &Path, metadata: &Metadata) -> bool {
        let is_of_file =
            |receipt: Self| Self::from_metadata(metadata).is_ok_and(|of_file| receipt == of_file);
        load_record(&receipt_path(target)).is_some_and(is_of_file)
    }

    /// Removes the record of a file, if it exists.
    pub(super) fn remove(target: &Path) {
        remove_record(&receipt_path(target));
    }
}

/// Returns the path of a file's record. It is hidden, so that the folder shows only the file.
fn receipt_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.done.json"))
}
