use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;

use super::super::overview::{LeftOutFile, PatternOf, ShareOverview, SharedPlace};
use super::super::report::{Skip, SkipReason};
use super::Actor;

impl Actor {
    /// Makes visible what is shared and what is left out, if that has changed.
    pub(super) fn show_overview(&mut self) {
        if std::mem::take(&mut self.is_overview_stale) {
            self.publisher.show_overview(self.overview());
        }
    }

    fn overview(&self) -> ShareOverview {
        let root = self.shares.root();
        let outside = self.shares.outside().map(|(location, name)| self.place(location, Some(name)));
        let places = std::iter::once(self.place(root, None)).chain(outside).collect();
        let found = self.left_out.iter().map(|(location, reason)| left_out(location, reason.clone()));
        let unregistered = self.shares.exceptions().map(|place| left_out(place, SkipReason::Unregistered));
        let bases = self.shares.bases().flat_map(|base| self.queue.aside_beneath(base));
        let aside = bases.map(|Skip { location, reason }| LeftOutFile { location, reason });
        let mut files: Vec<LeftOutFile> = found.chain(unregistered).chain(aside).collect();
        files.sort_by(|a, b| a.location.cmp(&b.location));
        files.dedup_by(|a, b| a.location == b.location);
        let patterns_everywhere = self.shares.patterns_everywhere().map(ToOwned::to_owned).collect();
        ShareOverview { places, patterns_everywhere, left_out: files, is_cut: self.left_out.is_cut() }
    }

    fn place(&self, location: &Path, name: Option<&SharePath>) -> SharedPlace {
        let patterns = self.shares.patterns_beneath(location).flat_map(|(folder, patterns)| {
            patterns.iter().map(|pattern| PatternOf { folder: folder.to_owned(), pattern: pattern.clone() })
        });
        SharedPlace { location: location.to_owned(), name: name.cloned(), patterns: patterns.collect() }
    }
}

fn left_out(location: &Path, reason: SkipReason) -> LeftOutFile {
    LeftOutFile { location: PathBuf::from(location), reason }
}
