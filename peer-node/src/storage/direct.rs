//! Direct I/O past the page cache.

use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::writing::MAX_SLICES;
use crate::platform::{open_direct, write_direct};

/// Blocks are aligned to this in memory, so that direct I/O can write them without a copy.
pub(crate) const ALIGNMENT: usize = 4096;

/// Maximum number of concurrent direct writes: enough to keep an SSD busy. If a slower disk falls behind, further writes go
/// through the page cache.
const MAX_WRITES: usize = 8;

const _: () = assert!(ALIGNMENT.is_power_of_two(), "an alignment is a power of two");
const _: () = assert!(MAX_WRITES > 0, "without a permit nothing is written directly");

/// A second descriptor of a file, opened for direct I/O.
///
/// The page cache costs an additional copy of each byte, into memory that a virtual machine may first have to get from its
/// host, and delays all writing until the file is synced.
#[derive(Debug)]
pub(crate) struct DirectFile {
    file: File,
    in_flight: AtomicUsize,
}

impl DirectFile {
    /// Opens a file for direct I/O, if the system and the file system support it.
    pub(crate) fn open(file: &File) -> Option<Self> {
        Some(Self { file: open_direct(file).ok()?, in_flight: AtomicUsize::new(0) })
    }

    /// Writes all parts in sequence, if alignment and load permit. Returns true if it did.
    pub(crate) fn write(&self, parts: &[&[u8]], offset: u64) -> io::Result<bool> {
        let aligned = |part: &&[u8]| {
            part.as_ptr().addr().is_multiple_of(ALIGNMENT) && part.len().is_multiple_of(ALIGNMENT)
        };
        if !offset.is_multiple_of(ALIGNMENT as u64) || !parts.iter().all(aligned) {
            return Ok(false);
        }
        let Some(_turn) = WritePermit::try_acquire(&self.in_flight) else { return Ok(false) };
        let mut offset = offset;
        for parts in parts.chunks(MAX_SLICES) {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            match write_direct(&self.file, &slices, offset)? {
                Some(written) if written == length => {
                    offset += length as u64;
                    debug_assert!(
                        offset.is_multiple_of(ALIGNMENT as u64),
                        "aligned parts end at an aligned offset"
                    );
                }
                // The caller writes everything again through the page cache.
                Some(_) | None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// A permit for one concurrent write; released on drop.
struct WritePermit<'a>(&'a AtomicUsize);

impl<'a> WritePermit<'a> {
    fn try_acquire(in_flight: &'a AtomicUsize) -> Option<Self> {
        if in_flight.fetch_add(1, Ordering::Relaxed) < MAX_WRITES {
            return Some(Self(in_flight));
        }
        in_flight.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for WritePermit<'_> {
    fn drop(&mut self) {
        let before = self.0.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a permit is counted while it is held");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::transport::BufferPool;

    /// Creates a file in the build folder, which is on a disk; temporary folders may be in memory.
    fn file() -> File {
        tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap()
    }

    #[test]
    fn direct_writes_are_read_back_and_unaligned_ones_refused() {
        let file = file();
        file.set_len(1 << 20).unwrap();
        let Some(direct) = DirectFile::open(&file) else { return };
        let content: Vec<u8> = (0..8192u32).map(|byte| byte.to_le_bytes()[0]).collect();
        let buffer = BufferPool::new(1).copy_of(&content);
        let bytes = buffer.bytes();
        if !direct.write(&[&bytes[..4096], &bytes[4096..]], 8192).unwrap() {
            return;
        }
        let mut back = vec![0; 8192];
        file.read_exact_at(&mut back, 8192).unwrap();
        assert_eq!(back, bytes);
        assert!(!direct.write(&[&bytes[..4095]], 0).unwrap());
        assert!(!direct.write(&[&bytes[1..4097]], 0).unwrap());
        assert!(!direct.write(&[&bytes[..4096]], 512).unwrap());
    }

    #[test]
    fn concurrent_direct_writes_are_bounded() {
        let count = AtomicUsize::new(0);
        let permits: Vec<WritePermit<'_>> =
            (0..MAX_WRITES).map(|_| WritePermit::try_acquire(&count).unwrap()).collect();
        assert!(WritePermit::try_acquire(&count).is_none());
        drop(permits);
        assert!(WritePermit::try_acquire(&count).is_some());
    }
}
