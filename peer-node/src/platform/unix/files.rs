use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, IoSlice, IoSliceMut};
use std::num::NonZero;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FileType, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::super::{FileId, FileIdentity, LinkPolicy};

/// Reads and writes at an offset, without moving the file's position.
pub(crate) use std::os::unix::fs::FileExt as FileAt;

/// Returns what identifies a file.
///
/// # Errors
///
/// Fails on systems on which files have no such number.
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
pub(crate) fn file_id(file: &Metadata) -> io::Result<FileId> {
    Ok(FileId { device: file.dev(), inode: file.ino() })
}

/// Returns the identity of an open file; `None` if it is not a regular file.
pub(in crate::platform) fn file_identity(file: impl AsFd) -> io::Result<Option<FileIdentity>> {
    Ok(identity_from_stat(&rustix::fs::fstat(file)?))
}

/// Converts the result of `stat`; `None` if the file is not a regular file.
pub(super) fn identity_from_stat(stat: &Stat) -> Option<FileIdentity> {
    (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| FileIdentity {
        dev: stat.st_dev,
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
    })
}

fn nanoseconds(seconds: i64, rest: u64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add_unsigned(rest)
}

/// Opens a path with `options`, and never waits for the other end of a pipe.
pub(crate) fn open_nonblocking(
    path: &Path,
    options: &mut OpenOptions,
    links: LinkPolicy,
) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == LinkPolicy::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    options.custom_flags(flags.bits().cast_signed()).open(path)
}

/// Sets the permissions, before the umask, of a file that `options` creates.
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    options.mode(mode)
}

/// Returns the permissions of a file if users other than its owner can read or change it.
pub(crate) fn exposed_mode(file: &Metadata) -> Option<u32> {
    let mode = file.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Returns true if the owner may execute a file.
pub(crate) fn is_executable(file: &Metadata) -> bool {
    file.permissions().mode() & 0o100 != 0
}

/// Makes a file executable for everyone who may read it.
pub(crate) fn make_executable(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode();
    file.set_permissions(Permissions::from_mode(mode | ((mode & 0o444) >> 2)))
}

/// Returns when a file was last modified, in seconds since 1970 and nanoseconds.
pub(crate) fn modified_time(file: &Metadata) -> (i64, i64) {
    (file.mtime(), file.mtime_nsec())
}

/// Returns a path to an open file or folder that need not have a name. It does not exist on systems without `/proc`.
pub(super) fn descriptor_path(file: &impl AsRawFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Returns true if an open file without a name can be given one.
pub(crate) fn has_descriptor_path(file: &File) -> bool {
    descriptor_path(file).exists()
}

/// Opens an open file once more, for writing past the page cache. It is the same file, even if it was renamed.
pub(crate) fn open_direct(file: &File) -> io::Result<File> {
    let flags = OFlags::DIRECT.bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(flags).open(descriptor_path(file))
}

/// Writes aligned slices past the page cache and returns the number of bytes written. Returns `None` if the file system does not
/// support that.
pub(crate) fn write_direct(file: &File, slices: &[IoSlice<'_>], offset: u64) -> io::Result<Option<usize>> {
    match rustix::io::pwritev(file, slices, offset) {
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(None),
        written => Ok(Some(written?)),
    }
}

/// Writes slices in sequence at an offset; returns the number of bytes written.
pub(crate) fn write_slices_at(file: &File, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::pwritev(file, slices, offset)?)
}

/// Fills slices in sequence from an offset; returns the number of bytes read.
pub(crate) fn read_slices_at(file: &File, slices: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    Ok(rustix::io::preadv(file, slices, offset)?)
}

/// Returns true unless a range of a file is known to be a hole.
pub(crate) fn has_data(file: &File, range: Range<u64>) -> bool {
    match rustix::fs::seek(file, SeekFrom::Data(range.start)) {
        Ok(data) => data < range.end,
        Err(Errno::NXIO) => false,
        Err(_) => true,
    }
}

/// Returns the ranges of a file that are not holes.
pub(crate) fn data_ranges(file: &File) -> Vec<Range<u64>> {
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Ok(from) = rustix::fs::seek(file, SeekFrom::Data(at)) {
        let Ok(to) = rustix::fs::seek(file, SeekFrom::Hole(from)) else { break };
        ranges.push(from..to);
        at = to;
    }
    ranges
}

/// Makes a file share the data of another one, without copying it.
pub(crate) fn reflink(from: &File, to: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(to, from)?)
}

/// Announces to the system that a file will be read from start to end.
pub(crate) fn advise_sequential(file: &File) {
    // Advice only: without it, reading is slower.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::Sequential);
}

/// Makes the kernel read bytes ahead that will be needed soon.
pub(crate) fn prefetch(file: &File, offset: u64, length: u64) {
    // Advice only: if the kernel ignores it, the bytes are read when they are needed.
    let _ = rustix::fs::fadvise(file, offset, NonZero::new(length), Advice::WillNeed);
}
