use std::sync::Arc;

use parking_lot::Mutex;

/// Buffers for blocks, used again and again: memory that was touched once need not be touched anew, which on virtual
/// machines costs more than anything else done to a block.
#[derive(Debug, Clone)]
pub struct BufferPool {
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
}

/// A block's bytes; its memory goes back to the pool when it is dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    pool: BufferPool,
}

impl BufferPool {
    /// Makes a pool that keeps at most so many buffers that nobody uses.
    pub fn new(most: usize) -> Self {
        Self { spare: Arc::default(), most }
    }

    /// Returns an empty buffer with room for `length` bytes.
    pub fn take(&self, length: usize) -> Buffer {
        let spare = {
            let mut spare = self.spare.lock();
            let fitting = spare.iter().rposition(|bytes| bytes.capacity() >= length);
            fitting.map(|at| spare.swap_remove(at))
        };
        Buffer { bytes: spare.unwrap_or_else(|| Vec::with_capacity(length)), pool: self.clone() }
    }

    /// Gives the memory of all unused buffers back.
    pub fn clear(&self) {
        self.spare.lock().clear();
    }
}

impl Buffer {
    /// Returns the bytes read so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the vector to read into.
    pub(super) const fn vec(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut spare = self.pool.spare.lock();
        if spare.len() < self.pool.most {
            spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_never_hoarded() {
        let pool = BufferPool::new(2);
        let mut first = pool.take(1000);
        first.vec().extend_from_slice(b"old");
        let place = first.bytes().as_ptr();
        drop(first);
        let again = pool.take(500);
        assert_eq!((again.bytes(), again.bytes.as_ptr()), (&b""[..], place));
        drop((again, pool.take(10), pool.take(10), pool.take(10)));
        assert_eq!(pool.spare.lock().len(), 2);
    }
}
