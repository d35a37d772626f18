use std::collections::BTreeSet;
use std::path::PathBuf;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How many places are remembered before it is simply everything: looking at all is then the cheaper thing.
const MAX_PENDING: usize = 10_000;

/// The places that may have changed since they were last looked at. Anybody may add to it at any time; it never blocks,
/// and it is bounded.
#[derive(Debug, Default)]
pub(super) struct ChangeTracker {
    pending: Mutex<PendingChanges>,
    notify: Notify,
}

/// What is to be looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PendingChanges {
    /// Files and folders, each with all below it.
    pub(super) places: BTreeSet<PathBuf>,
    /// Files that are to be hashed again even if they look the same.
    pub(super) invalidated: BTreeSet<PathBuf>,
    /// The same, but they stay shared until it is known better.
    pub(super) to_reverify: BTreeSet<PathBuf>,
    /// Everything.
    pub(super) all: bool,
}

impl PendingChanges {
    fn is_empty(&self) -> bool {
        !self.all && self.places.is_empty() && self.invalidated.is_empty() && self.to_reverify.is_empty()
    }
}

impl ChangeTracker {
    /// Has a place looked at.
    pub(super) fn mark_changed(&self, place: PathBuf) {
        let mut touched = self.pending.lock();
        if touched.places.len() < MAX_PENDING {
            touched.places.insert(place);
        } else {
            touched.all = true;
        }
        drop(touched);
        self.notify.notify_one();
    }

    /// Has a file hashed again.
    pub(super) fn invalidate(&self, file: PathBuf) {
        let mut touched = self.pending.lock();
        // One more than that is doubted again when it is asked for the next time.
        if touched.invalidated.len() < MAX_PENDING {
            touched.invalidated.insert(file);
        }
        drop(touched);
        self.notify.notify_one();
    }

    /// Has a file hashed again that stays shared meanwhile.
    pub(super) fn reverify(&self, file: PathBuf) {
        let mut touched = self.pending.lock();
        // One more than that is suspected again when it is asked for the next time.
        if touched.to_reverify.len() < MAX_PENDING {
            touched.to_reverify.insert(file);
        }
        drop(touched);
        self.notify.notify_one();
    }

    /// Has everything looked at.
    pub(super) fn mark_all_changed(&self) {
        self.pending.lock().all = true;
        self.notify.notify_one();
    }

    /// Waits until something was added since the last wait. Cancel safe.
    pub(super) async fn added(&self) {
        self.notify.notified().await;
    }

    /// Says whether nothing is to be looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.lock().is_empty()
    }

    /// Takes out all that is to be looked at; what lies within another place is left to that one.
    pub(super) fn take(&self) -> PendingChanges {
        let mut touched = std::mem::take(&mut *self.pending.lock());
        if touched.all {
            touched.places.clear();
        }
        let mut outermost: BTreeSet<PathBuf> = BTreeSet::new();
        // What lies below a place follows it at once.
        for place in touched.places {
            if !outermost.last().is_some_and(|around| place.starts_with(around)) {
                outermost.insert(place);
            }
        }
        PendingChanges { places: outermost, ..touched }
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
        let touched = changes.take();
        assert!(touched.all && touched.places.is_empty());
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
