use std::sync::atomic::{AtomicU32, Ordering};

/// A peer's upload slot status, for display.
#[derive(Debug, Default)]
pub(crate) struct SlotStatus {
    /// 0 if the peer is served, otherwise its queue position plus 1.
    code: AtomicU32,
}

impl SlotStatus {
    /// Returns the position in the queue, 0 if the peer is not queued, or `None` if it is served.
    pub(crate) fn position(&self) -> Option<u32> {
        self.code.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Sets the position, or `None` if the peer is served.
    pub(crate) fn set(&self, position: Option<u32>) {
        self.code.store(position.map_or(0, |position| position.saturating_add(1)), Ordering::Relaxed);
    }
}
