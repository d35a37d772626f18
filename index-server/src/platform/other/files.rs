use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::unsupported;

/// The error of a disk that cannot be read or written (`ERROR_IO_DEVICE`).
pub(in crate::platform) const DISK_ERROR: i32 = 1117;

/// Opens a path with `options`. Pipes and sockets have no paths among files here.
pub(crate) fn open_without_waiting(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    options.open(path).map(Some)
}

/// Writes all bytes at an offset: not supported here.
pub(crate) fn write_all_at(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<()> {
    Err(unsupported())
}
