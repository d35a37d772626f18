use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, StatVfs};
use rustix::io::Errno;

/// The unit in which stat counts a file's blocks, independent of the file system.
const BLOCK: u64 = 512;

/// Returns the number of bytes that a file occupies on disk; holes do not count.
pub(crate) fn allocated_bytes(file: &Metadata) -> u64 {
    file.blocks().saturating_mul(BLOCK)
}

/// Returns the number of free bytes on the file system of a path.
pub(crate) fn free_space(path: &Path) -> io::Result<u64> {
    Ok(free_bytes(&rustix::fs::statvfs(path)?))
}

/// Returns the number of free bytes on the file system of an open file or folder.
pub(super) fn free_space_around(file: impl AsFd) -> io::Result<u64> {
    Ok(free_bytes(&rustix::fs::fstatvfs(file)?))
}

const fn free_bytes(system: &StatVfs) -> u64 {
    system.f_bavail.saturating_mul(system.f_frsize)
}

/// Allocates the disk space of a file if the file system supports it; otherwise space is allocated as data is written. If the
/// file does not fit, at most one block is allocated.
pub(crate) fn reserve_space(file: &File, size: u64) -> io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, 1) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        probed => probed?,
    }
    check_fits(file, size)?;
    Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size)?)
}

/// Fails if a file of this size does not fit. Some file systems notice that only after taking all free space.
fn check_fits(file: &File, size: u64) -> io::Result<()> {
    let (system, taken) = (rustix::fs::fstatvfs(file)?, allocated_bytes(&file.metadata()?));
    // A file system that reports no size reports no free space either.
    if system.f_blocks > 0 && size.saturating_sub(taken) > free_bytes(&system) {
        return Err(Errno::NOSPC.into());
    }
    Ok(())
}
