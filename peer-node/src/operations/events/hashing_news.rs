//! What is news about hashing. Pure.

use std::time::{Duration, Instant};

use crate::library::HashingProgress;

/// Minimum interval between two reports of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// A change of the progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashingNews {
    /// Files are being hashed.
    Started,
    /// Hashing progresses.
    Progress,
    /// Everything is scanned and hashed.
    Finished,
}

/// What was reported about hashing, to decide what is news.
#[derive(Debug, Default)]
pub(super) struct HashingReporter {
    /// When the start or the progress was reported last; `None` if nothing is being hashed.
    reported_at: Option<Instant>,
}

impl HashingReporter {
    /// Returns what is new in progress that differs from the progress before.
    pub(super) fn news(&mut self, progress: &HashingProgress, now: Instant) -> Option<HashingNews> {
        if progress.is_settled {
            self.reported_at = None;
            return Some(HashingNews::Finished);
        }
        if progress.files_left == 0 {
            return None;
        }
        let is_due = |last: Instant| now.saturating_duration_since(last) >= PROGRESS_INTERVAL;
        let news = match self.reported_at {
            None => HashingNews::Started,
            Some(last) if is_due(last) => HashingNews::Progress,
            // The library publishes more often while it hashes small files.
            Some(_) => return None,
        };
        self.reported_at = Some(now);
        Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(files_left: usize, is_settled: bool) -> HashingProgress {
        HashingProgress { files_left, is_settled, ..HashingProgress::default() }
    }

    #[test]
    fn hashing_is_reported_from_start_to_end() {
        let (mut hashing, start) = (HashingReporter::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        // A scan alone is not reported.
        assert_eq!(hashing.news(&progress(0, false), at(0)), None);
        assert_eq!(hashing.news(&progress(9, false), at(0)), Some(HashingNews::Started));
        assert_eq!(hashing.news(&progress(8, false), at(1)), None);
        assert_eq!(hashing.news(&progress(7, false), at(250)), Some(HashingNews::Progress));
        assert_eq!(hashing.news(&progress(6, false), at(251)), None);
        assert_eq!(hashing.news(&progress(0, true), at(252)), Some(HashingNews::Finished));
        assert_eq!(hashing.news(&progress(1, false), at(253)), Some(HashingNews::Started));
    }
}
