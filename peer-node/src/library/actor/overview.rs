use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;

use super::super::overview::{LeftOutFile, ScopedPattern, ShareOverview, SharedPlace};
use super::super::report::{SkipReason, SkippedEntry};
use super::Actor;

impl Actor {
    /// Publishes what is shared and what is left out, if that has changed.
    pub(super) fn publish_overview(&mut self) {
        if std::mem::take(&mut self.is_overview_stale) {
            self.publisher.publish_overview(self.overview());
        }
    }

    fn overview(&self) -> ShareOverview {
        let root = self.shares.root();
        let outside = self.shares.outside().map(|(location, name)| self.shared_place(location, Some(name)));
        let places = std::iter::once(self.shared_place(root, None)).chain(outside).collect();
        let found = self.left_out.iter().map(|(location, reason)| left_out_file(location, reason.clone()));
        let unregistered =
            self.shares.excluded_places().map(|place| left_out_file(place, SkipReason::Unregistered));
        let bases = self.shares.bases().flat_map(|base| self.queue.parked_beneath(base));
        let parked = bases.map(|SkippedEntry { location, reason }| LeftOutFile { location, reason });
        let mut files: Vec<LeftOutFile> = found.chain(unregistered).chain(parked).collect();
        files.sort_by(|a, b| a.location.cmp(&b.location));
        files.dedup_by(|a, b| a.location == b.location);
        let global_patterns = self.shares.global_patterns().map(ToOwned::to_owned).collect();
        ShareOverview { places, global_patterns, left_out: files, is_truncated: self.left_out.is_truncated() }
    }

    fn shared_place(&self, location: &Path, name: Option<&SharePath>) -> SharedPlace {
        let patterns = self.shares.patterns_beneath(location).flat_map(|(folder, patterns)| {
            patterns
                .iter()
                .map(|pattern| ScopedPattern { folder: folder.to_owned(), pattern: pattern.clone() })
        });
        SharedPlace { location: location.to_owned(), name: name.cloned(), patterns: patterns.collect() }
    }
}

fn left_out_file(location: &Path, reason: SkipReason) -> LeftOutFile {
    LeftOutFile { location: PathBuf::from(location), reason }
}
