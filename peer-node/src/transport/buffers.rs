use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::ALIGNMENT;

/// A pool of block buffers. Reusing memory avoids page faults, which are expensive, above all on virtual machines.
#[derive(Debug, Clone)]
pub(crate) struct BufferPool {
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    max_spare: usize,
}

/// The bytes of a block. Dropping it returns the memory to the pool.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// Offset of the block in `bytes`.
    start: usize,
    pool: BufferPool,
}

impl BufferPool {
    /// Creates a pool that keeps at most `most` unused buffers.
    pub(crate) fn new(most: usize) -> Self {
        Self { spare: Arc::default(), max_spare: most }
    }

    /// Returns an empty buffer with room for `length` bytes.
    pub(crate) fn take(&self, length: usize) -> Buffer {
        let length = length + ALIGNMENT;
        let spare = {
            let mut spare = self.spare.lock();
            let fitting = spare.iter().rposition(|bytes| bytes.capacity() >= length);
            fitting.map(|at| spare.swap_remove(at))
        };
        let mut bytes = spare.unwrap_or_else(|| Vec::with_capacity(length));
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes.resize(start, 0);
        Buffer { bytes, start, pool: self.clone() }
    }

    /// Returns a buffer with a copy of `bytes`.
    #[cfg(test)]
    pub(crate) fn copy_of(&self, bytes: &[u8]) -> Buffer {
        let mut buffer = self.take(bytes.len());
        buffer.bytes.extend_from_slice(bytes);
        buffer
    }

    /// Releases the memory of all unused buffers.
    pub(crate) fn clear(&self) {
        self.spare.lock().clear();
    }
}

impl Buffer {
    /// Returns the bytes read so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Returns the vector to append to.
    pub(crate) const fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut spare = self.pool.spare.lock();
        if spare.len() < self.pool.max_spare {
            spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_reused_and_bounded() {
        let pool = BufferPool::new(2);
        let mut first = pool.take(1000);
        first.vec().extend_from_slice(b"old");
        let address = first.bytes().as_ptr();
        assert!(address.addr().is_multiple_of(ALIGNMENT));
        drop(first);
        let again = pool.take(500);
        assert_eq!((again.bytes(), again.bytes().as_ptr()), (&b""[..], address));
        drop((again, pool.take(10), pool.take(10), pool.take(10)));
        assert_eq!(pool.spare.lock().len(), 2);
    }
}
