use std::collections::BTreeSet;
use std::path::PathBuf;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Maximum number of pending places. Beyond it, a full scan is cheaper.
const MAX_PENDING: usize = 10_000;

/// Collects the places that may have changed since the last scan. Any thread may add places at any time; adding never blocks on
/// I/O, and the memory is bounded.
#[derive(Debug, Default)]
pub(super) struct ChangeTracker {
    pending: Mutex<PendingChanges>,
    notify: Notify,
}

/// The changes to process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PendingChanges {
    /// Files, and folders with everything below them, to scan.
    pub(super) places: BTreeSet<PathBuf>,
    /// Files to hash again even if their identity is unchanged. They are not shared meanwhile.
    pub(super) invalidated: BTreeSet<PathBuf>,
    /// Files to hash again that stay shared meanwhile.
    pub(super) to_reverify: BTreeSet<PathBuf>,
    /// Everything is to be scanned.
    pub(super) all: bool,
}

impl PendingChanges {
    fn is_empty(&self) -> bool {
        !self.all && self.places.is_empty() && self.invalidated.is_empty() && self.to_reverify.is_empty()
    }
}

impl ChangeTracker {
    /// Marks a place to be scanned.
    pub(super) fn mark_changed(&self, place: PathBuf) {
        let mut pending = self.pending.lock();
        if pending.places.len() < MAX_PENDING {
            pending.places.insert(place);
        } else {
            pending.all = true;
        }
        drop(pending);
        self.notify.notify_one();
    }

    /// Marks a file to be hashed again and not shared meanwhile.
    pub(super) fn invalidate(&self, file: PathBuf) {
        let mut pending = self.pending.lock();
        // A file beyond the limit is marked at its next request.
        if pending.invalidated.len() < MAX_PENDING {
            pending.invalidated.insert(file);
        }
        drop(pending);
        self.notify.notify_one();
    }

    /// Marks a file to be hashed again while it stays shared.
    pub(super) fn reverify(&self, file: PathBuf) {
        let mut pending = self.pending.lock();
        // A file beyond the limit is marked at its next request.
        if pending.to_reverify.len() < MAX_PENDING {
            pending.to_reverify.insert(file);
        }
        drop(pending);
        self.notify.notify_one();
    }

    /// Marks everything to be scanned.
    pub(super) fn mark_all_changed(&self) {
        self.pending.lock().all = true;
        self.notify.notify_one();
    }

    /// Waits until something was added since the last wait. Cancel safe.
    pub(super) async fn added(&self) {
        self.notify.notified().await;
    }

    /// Returns true if no changes are pending.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.lock().is_empty()
    }

    /// Takes all pending changes. A place inside another pending place is omitted.
    pub(super) fn take(&self) -> PendingChanges {
        let mut pending = std::mem::take(&mut *self.pending.lock());
        if pending.all {
            pending.places.clear();
        }
        let mut outermost: BTreeSet<PathBuf> = BTreeSet::new();
        // In sorted order, everything below a place follows it immediately.
        for place in pending.places {
            if !outermost.last().is_some_and(|around| place.starts_with(around)) {
                outermost.insert(place);
            }
        }
        PendingChanges { places: outermost, ..pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_places_collapse_into_the_outermost() {
        let changes = ChangeTracker::default();
        for place in ["/a/b", "/a.b", "/a", "/a/b/c", "/d/e", "/d/f"] {
            changes.mark_changed(place.into());
        }
        let places: Vec<PathBuf> = changes.take().places.into_iter().collect();
        assert_eq!(places, ["/a", "/a.b", "/d/e", "/d/f"].map(PathBuf::from));
        assert!(changes.is_empty() && changes.take() == PendingChanges::default());
    }

    #[test]
    fn too_many_changes_mean_a_full_scan() {
        let changes = ChangeTracker::default();
        for number in 0..=MAX_PENDING {
            changes.mark_changed(format!("/{number}").into());
        }
        let pending = changes.take();
        assert!(pending.all && pending.places.is_empty());
    }

    #[tokio::test]
    async fn change_before_the_wait_is_not_missed() {
        let changes = ChangeTracker::default();
        changes.invalidate("/a".into());
        changes.mark_all_changed();
        changes.added().await;
        assert_eq!(changes.take().invalidated.len(), 1);
    }
}
