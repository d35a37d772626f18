use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use super::unsupported;

/// Returns the number of bytes that a file occupies on disk. Holes count, since they are not reported.
pub(crate) fn allocated_bytes(file: &Metadata) -> u64 {
    file.len()
}

/// Returns the number of free bytes on the file system of a path: not supported here.
pub(crate) fn free_space(_path: &Path) -> io::Result<u64> {
    Err(unsupported())
}

/// Allocates the disk space of a file where that is supported; here space is allocated as data is written.
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
pub(crate) const fn reserve_space(_file: &File, _size: u64) -> io::Result<()> {
    Ok(())
}
