//! Locks that keep other programs out.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::files::{LinkPolicy, open_nonblocking, with_mode};
use super::system::errors::is_without_locks;

/// Opens a file that exists only to be locked, and creates it, for its owner only, if it is missing.
pub(crate) fn open_lock_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    open_nonblocking(path, with_mode(&mut options, 0o600), LinkPolicy::Refuse)
}

/// Locks an open file exclusively until it is closed. Returns false if another program holds the lock. Does not block.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Releases a lock. Errors are ignored: what cannot be unlocked was never locked.
pub(crate) fn unlock(file: &File) {
    let _ = file.unlock();
}

/// Like [`try_lock`], but returns true on a file system without locks, where no program can hold one.
pub(crate) fn lock(file: &File) -> io::Result<bool> {
    match try_lock(file) {
        Err(error) if is_without_locks(&error) => Ok(true),
        locked => locked,
    }
}
