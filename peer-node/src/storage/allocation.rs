use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// The unit in which a file's blocks are counted, whatever those of the file system are.
const BLOCK: u64 = 512;

/// Gives a file its length and takes the room for it on disk, so that a full disk shows now and not later.
pub(crate) fn allocate(file: &File, size: u64) -> io::Result<()> {
    reserve_space(file, size)?;
    file.set_len(size)
}

/// Takes the room for a file on disk where the file system can do that; elsewhere it is taken as bytes come. What does not fit takes no
/// more than a block.
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

/// Fails if a file cannot have so many bytes. Some file systems find that out only when nothing is left for anybody.
fn check_fits(file: &File, size: u64) -> io::Result<()> {
    let (system, taken) = (rustix::fs::fstatvfs(file)?, file.metadata()?.blocks().saturating_mul(BLOCK));
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    // A file system that does not say how large it is says nothing of its room either.
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
        // What it has already is not needed again.
        reserve_space(&file, 1 << 20).unwrap();
    }
}
