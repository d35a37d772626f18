//! The other places where the file of a running download is wanted, to which more are added meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::wanted::DownloadTarget;

/// What a download and whoever adds to it share; cheap to clone.
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

    /// Returns true if both are those of one attempt at a download.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Adds places. Returns false if the download is over and will not see to them.
    pub(super) fn add(&self, targets: impl IntoIterator<Item = DownloadTarget>) -> bool {
        let mut inner = self.inner.lock();
        if !inner.is_closed {
            inner.waiting.extend(targets);
        }
        !inner.is_closed
    }

    /// Returns the next place, which stays until [`PendingCopies::pop`]; without any, no more can be added from now on.
    pub(super) fn peek(&self) -> Option<DownloadTarget> {
        let mut inner = self.inner.lock();
        inner.is_closed = inner.waiting.is_empty();
        inner.waiting.front().cloned()
    }

    /// Removes the place that came next: the file is there.
    pub(super) fn pop(&self) {
        self.inner.lock().waiting.pop_front();
    }

    /// Lets no more places be added.
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
