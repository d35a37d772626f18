//! The additional targets of a running download. More can be added while it runs.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::wanted::DownloadTarget;

/// The targets, shared by a download's task and [`Downloads`](super::Downloads); cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingCopies {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<DownloadTarget>,
    is_closed: bool,
}

impl PendingCopies {
    pub(super) fn new(targets: &[DownloadTarget]) -> Self {
        let inner = Inner { waiting: targets.iter().cloned().collect(), is_closed: false };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Returns true if both belong to the same attempt at a download.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Adds targets. Returns false if the download has finished and will not process them.
    pub(super) fn add(&self, targets: impl IntoIterator<Item = DownloadTarget>) -> bool {
        let mut inner = self.inner.lock();
        if !inner.is_closed {
            inner.waiting.extend(targets);
        }
        !inner.is_closed
    }

    /// Returns the next target, which stays until [`PendingCopies::pop`]. If there is none, no more can be added.
    pub(super) fn peek(&self) -> Option<DownloadTarget> {
        let mut inner = self.inner.lock();
        inner.is_closed = inner.waiting.is_empty();
        inner.waiting.front().cloned()
    }

    /// Removes the next target, once the file has been copied there.
    pub(super) fn pop(&self) {
        self.inner.lock().waiting.pop_front();
    }

    /// Refuses further targets.
    pub(super) fn close(&self) {
        self.inner.lock().is_closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_processed_or_refused() {
        let target = |name: &str| DownloadTarget::InFolder(name.into());
        let copies = PendingCopies::new(&[target("a")]);
        assert_eq!(copies.peek(), Some(target("a")));
        assert!(copies.add([target("b")]));
        copies.pop();
        assert_eq!(copies.peek(), Some(target("b")));
        copies.pop();
        assert_eq!(copies.peek(), None);
        assert!(!copies.add([target("c")]));
    }
}
