use std::fs::File;
use std::io;

use crate::platform::reserve_space;

/// Sets the length of a file and allocates its disk space, so that a full disk is noticed now and not later.
pub(crate) fn allocate(file: &File, size: u64) -> io::Result<()> {
    reserve_space(file, size)?;
    file.set_len(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::allocated_bytes;

    #[test]
    fn file_larger_than_the_disk_reserves_nothing() {
        let file = tempfile::tempfile().unwrap();
        for size in [1 << 45, 1 << 50, i64::MAX as u64] {
            for ended in [allocate(&file, size), reserve_space(&file, size)] {
                assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::StorageFull);
            }
        }
        let found = file.metadata().unwrap();
        assert!(found.len() == 0 && allocated_bytes(&found) <= 64 << 10, "{found:?}");
        allocate(&file, 1 << 20).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        // Space that is already allocated is not needed again.
        reserve_space(&file, 1 << 20).unwrap();
    }
}
