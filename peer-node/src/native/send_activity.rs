use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts what a link sends over all its connections.
#[derive(Debug, Default)]
pub(super) struct SendActivity {
    sent: AtomicU64,
    writers: AtomicUsize,
}

/// Marks a block as being written until it is dropped.
#[derive(Debug)]
pub(super) struct WritingGuard<'a>(&'a AtomicUsize);

impl SendActivity {
    /// Adds sent bytes of content.
    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the total bytes of content sent.
    pub(super) fn total_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Marks the start of writing a block.
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
