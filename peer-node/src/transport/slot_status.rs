use std::sync::atomic::{AtomicU32, Ordering};

/// Where the other side stands, for people to see.
#[derive(Debug, Default)]
pub(crate) struct SlotStatus {
    /// 0 if it is served, otherwise one more than its place.
    code: AtomicU32,
}

impl SlotStatus {
    /// Returns the place in the queue, 0 for none in it; nothing if the other side is served.
    pub(crate) fn place(&self) -> Option<u32> {
        self.code.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Notes that it is served, or its place.
    pub(crate) fn set(&self, place: Option<u32>) {
        self.code.store(place.map_or(0, |place| place.saturating_add(1)), Ordering::Relaxed);
    }
}
