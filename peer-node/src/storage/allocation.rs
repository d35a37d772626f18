use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// The unit in which stat counts a file's blocks, independent of the file system.
const BLOCK: u64 = 512;

/// Sets the length of a file and allocates its disk space, so that a full disk is noticed now and not later.
pub(crate) fn allocate(file: &File, size: u64) -> io::Result<()> {
    reserve_space(file, size)?;
    file.set_len(size)
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
    let (system, taken) = (rustix::fs::fstatvfs(file)?, file.metadata()?.blocks().saturating_mul(BLOCK));
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    // A file system that reports no size reports no free space either.
    if system.f_blocks > 0 && size.saturating_sub(taken) > free {
        return Err(Errno::NOSPC.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_larger_than_the_disk_reserves_nothing() {
        let file = tempfile::tempfile().unwrap();
        for size in [1 << 45, 1 << 50, i64::MAX as u64] {
            for ended in [allocate(&file, size), reserve_space(&file, size)] {
                assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::StorageFull);
            }
        }
        let found = file.metadata().unwrap();
        assert!(found.len() == 0 && found.blocks() * BLOCK <= 64 << 10, "{found:?}");
        allocate(&file, 1 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        // Space that is already allocated is not needed again.
        reserve_space(&file, 1 << 20).unwrap();
    }
}
