use std::collections::BTreeSet;
use std::path::PathBuf;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How many places are remembered before it is simply everything: looking at all is then the cheaper thing.
const MAX_TOUCHED: usize = 10_000;

/// The places that may have changed since they were last looked at. Anybody may add to it at any time; it never blocks,
/// and it is bounded.
#[derive(Debug, Default)]
pub(super) struct Changes {
    touched: Mutex<Touched>,
    notify: Notify,
}

/// What is to be looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Files and folders, each with all below it.
    pub(super) places: BTreeSet<PathBuf>,
    /// Files that are to be hashed again even if they look the same.
    pub(super) doubted: BTreeSet<PathBuf>,
    /// The same, but they stay shared until it is known better.
    pub(super) suspected: BTreeSet<PathBuf>,
    /// Everything.
    pub(super) all: bool,
}

impl Touched {
    fn is_empty(&self) -> bool {
        !self.all && self.places.is_empty() && self.doubted.is_empty() && self.suspected.is_empty()
    }
}

impl Changes {
    /// Has a place looked at.
    pub(super) fn touch(&self, place: PathBuf) {
        let mut touched = self.touched.lock();
        if touched.places.len() < MAX_TOUCHED {
            touched.places.insert(place);
        } else {
            touched.all = true;
        }
        drop(touched);
        self.notify.notify_one();
    }

    /// Has a file hashed again.
    pub(super) fn doubt(&self, file: PathBuf) {
        let mut touched = self.touched.lock();
        // One more than that is doubted again when it is asked for the next time.
        if touched.doubted.len() < MAX_TOUCHED {
            touched.doubted.insert(file);
        }
        drop(touched);
        self.notify.notify_one();
    }

    /// Has a file hashed again that stays shared meanwhile.
    pub(super) fn suspect(&self, file: PathBuf) {
        let mut touched = self.touched.lock();
        // One more than that is suspected again when it is asked for the next time.
        if touched.suspected.len() < MAX_TOUCHED {
            touched.suspected.insert(file);
        }
        drop(touched);
        self.notify.notify_one();
    }

    /// Has everything looked at.
    pub(super) fn touch_all(&self) {
        self.touched.lock().all = true;
        self.notify.notify_one();
    }

    /// Waits until something was added since the last wait. Cancel safe.
    pub(super) async fn added(&self) {
        self.notify.notified().await;
    }

    /// Says whether nothing is to be looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.touched.lock().is_empty()
    }

    /// Takes out all that is to be looked at; what lies within another place is left to that one.
    pub(super) fn take(&self) -> Touched {
        let mut touched = std::mem::take(&mut *self.touched.lock());
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
        Touched { places: outermost, ..touched }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_within_others_are_left_to_those() {
        let changes = Changes::default();
        for place in ["/a/b", "/a.b", "/a", "/a/b/c", "/d/e", "/d/f"] {
            changes.touch(place.into());
        }
        let places: Vec<PathBuf> = changes.take().places.into_iter().collect();
        assert_eq!(places, ["/a", "/a.b", "/d/e", "/d/f"].map(PathBuf::from));
        assert!(changes.is_empty() && changes.take() == Touched::default());
    }

    #[test]
    fn too_many_places_are_everything() {
        let changes = Changes::default();
        for number in 0..=MAX_TOUCHED {
            changes.touch(format!("/{number}").into());
        }
        let touched = changes.take();
        assert!(touched.all && touched.places.is_empty());
    }

    #[tokio::test]
    async fn an_addition_before_the_wait_is_not_missed() {
        let changes = Changes::default();
        changes.doubt("/a".into());
        changes.touch_all();
        changes.added().await;
        assert_eq!(changes.take().doubted.len(), 1);
    }
}
