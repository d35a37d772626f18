use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::work_queue::WorkQueue;

/// Progress of hashing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HashingProgress {
    /// Number of files still to be hashed.
    pub files_left: usize,
    /// Bytes hashed since the library was last settled.
    pub bytes_done: u64,
    /// Bytes to hash since the library was last settled, including those that are done.
    pub bytes_total: u64,
    /// A file that is being hashed, display-safe.
    pub current: Option<String>,
    /// Everything has been scanned once, and nothing is left to hash.
    pub is_settled: bool,
}

/// The state that a hashing job and the meter share.
#[derive(Debug, Clone)]
pub(super) struct ActiveHash {
    /// Bytes read so far.
    pub(super) read: Arc<AtomicU64>,
    /// Cancels the job.
    pub(super) cancel: CancellationToken,
}

/// Counts hashed bytes since the library was last settled.
#[derive(Debug, Default)]
pub(super) struct HashMeter {
    /// The files that are being hashed.
    active: HashMap<PathBuf, ActiveHash>,
    /// Bytes of the files that have been hashed.
    done_bytes: u64,
}

impl HashMeter {
    /// Records that hashing of a file begins; `cancel` stops it.
    pub(super) fn begin(&mut self, location: &Path, cancel: CancellationToken) -> ActiveHash {
        let active = ActiveHash { read: Arc::default(), cancel };
        self.active.insert(location.to_owned(), active.clone());
        active
    }

    /// Cancels the hashing of a file, if it is active.
    pub(super) fn cancel(&self, location: &Path) {
        if let Some(active) = self.active.get(location) {
            active.cancel.cancel();
        }
    }

    /// Records that hashing of a file has ended; `hashed` is its size if it was hashed completely.
    pub(super) fn end(&mut self, location: &Path, hashed: Option<u64>) {
        self.active.remove(location);
        self.done_bytes = self.done_bytes.saturating_add(hashed.unwrap_or(0));
    }

    /// Returns true if a file is being hashed.
    pub(super) fn is_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// Returns one of the files that are being hashed.
    pub(super) fn current(&self) -> Option<&Path> {
        self.active.keys().min().map(PathBuf::as_path)
    }

    /// Returns the progress. Once settled, the count starts at 0 again.
    pub(super) fn progress(
        &mut self,
        queue: &WorkQueue,
        current: Option<String>,
        settled: bool,
    ) -> HashingProgress {
        if settled {
            self.done_bytes = 0;
        }
        let active = self.active.values().map(|active| active.read.load(Ordering::Relaxed)).sum::<u64>();
        let bytes_total = self.done_bytes.saturating_add(queue.bytes_left());
        let bytes_done = self.done_bytes.saturating_add(active).min(bytes_total);
        HashingProgress {
            files_left: queue.files_left(),
            bytes_done,
            bytes_total,
            current,
            is_settled: settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::work_queue::JobStart;
    use super::*;
    use crate::storage::FileIdentity;

    #[test]
    fn bytes_are_counted_between_idle_points() {
        let (mut queue, mut meter) = (WorkQueue::default(), HashMeter::default());
        for (path, size) in [("/a", 100), ("/b", 50)] {
            let identity = FileIdentity { dev: 1, ino: size, size, mtime_ns: 0, ctime_ns: 0 };
            queue.add(Path::new(path), identity, JobStart::Last);
        }
        meter.begin(Path::new("/a"), CancellationToken::new()).read.store(30, Ordering::Relaxed);
        assert_eq!(meter.current(), Some(Path::new("/a")));
        let hashing = meter.progress(&queue, None, false);
        assert_eq!((hashing.files_left, hashing.bytes_done, hashing.bytes_total), (2, 30, 150));
        meter.end(Path::new("/a"), Some(100));
        queue.remove(Path::new("/a"));
        let hashing = meter.progress(&queue, None, false);
        assert_eq!((hashing.files_left, hashing.bytes_done, hashing.bytes_total), (1, 100, 150));
        queue.remove(Path::new("/b"));
        assert_eq!(
            meter.progress(&queue, None, true),
            HashingProgress { is_settled: true, ..HashingProgress::default() }
        );
    }
}
