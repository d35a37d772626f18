//! Opening, locking and writing files.

use std::fs::{File, TryLockError};
use std::io;

pub(crate) use super::system::files::{open_without_waiting, write_all_at};

/// Locks an open file exclusively until it is closed. Returns false if another program holds the lock. Does not block.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns the kind of an I/O error of the disk, which has no stable name.
pub(crate) fn disk_error_kind() -> io::ErrorKind {
    io::Error::from_raw_os_error(super::system::files::DISK_ERROR).kind()
}
