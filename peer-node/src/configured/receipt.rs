//! The record of a file that this program has received whole, so that a second run knows it from any other.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::storage::{load_record, remove_record, save_record};

/// What `.<name>.done.json` says of the file beside it. There are no hashes in this dialect, so any change of the file, and any other
/// file in its place, ends the validity of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    version: u32,
    size: u64,
    /// The number of the file on its disk.
    inode: u64,
    /// When it was last changed, in seconds since 1970 and nanoseconds.
    mtime: (i64, i64),
}

impl Receipt {
    const VERSION: u32 = 1;

    fn from_metadata(metadata: &Metadata) -> Self {
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        Self { version: Self::VERSION, size: metadata.len(), inode: metadata.ino(), mtime }
    }

    /// Records that a file which gets that name was received whole.
    pub(super) fn write(target: &Path, file: &File) -> io::Result<()> {
        save_record(&receipt_path(target), &Self::from_metadata(&file.metadata()?), |_| false)
    }

    /// Returns true if the file of that name is the one that was received.
    pub(super) fn matches(target: &Path, metadata: &Metadata) -> bool {
        load_record(&receipt_path(target))
            .is_some_and(|receipt: Self| receipt == Self::from_metadata(metadata))
    }

    /// Removes the record of a file, if there is one.
    pub(super) fn remove(target: &Path) {
        remove_record(&receipt_path(target));
    }
}

/// Returns where the record of a file lies: hidden, so that the folder shows nothing but the file.
fn receipt_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.done.json"))
}
