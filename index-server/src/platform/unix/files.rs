use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// The error of a disk that cannot be read or written.
pub(in crate::platform) const DISK_ERROR: i32 = Errno::IO.raw_os_error();

/// Opens a path with `options`, and never waits for the other end of a pipe. Returns `None` for a socket, and for a pipe without
/// a reader.
pub(crate) fn open_without_waiting(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Writes all bytes at an offset.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}
