use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What goes out over all connections of a link.
#[derive(Debug, Default)]
pub(super) struct Outflow {
    sent: AtomicU64,
    writers: AtomicUsize,
}

/// A block that is being written; it is not any more when this is dropped.
#[derive(Debug)]
pub(super) struct Writing<'a>(&'a AtomicUsize);

impl Outflow {
    /// Counts bytes of content.
    pub(super) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes of content sent so far.
    pub(super) fn total(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Notes that a block is being written.
    pub(super) fn writing(&self) -> Writing<'_> {
        self.writers.fetch_add(1, Ordering::Relaxed);
        Writing(&self.writers)
    }

    /// Returns true if a block is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.writers.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
