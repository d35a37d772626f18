use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What goes out over all connections of a link.
#[derive(Debug, Default)]
pub(super) struct SendActivity {
    sent: AtomicU64,
    writers: AtomicUsize,
}

/// A block that is being written; it is not any more when this is dropped.
#[derive(Debug)]
pub(super) struct WritingGuard<'a>(&'a AtomicUsize);

impl SendActivity {
    /// Counts bytes of content.
    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the bytes of content sent so far.
    pub(super) fn total_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Notes that a block is being written.
    pub(super) fn begin_writing(&self) -> WritingGuard<'_> {
        self.writers.fetch_add(1, Ordering::Relaxed);
        WritingGuard(&self.writers)
    }

    /// Returns true if a block is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.writers.load(Ordering::Relaxed) > 0
    }
}

impl Drop for WritingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
