use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::report::{SkipReason, SkippedEntry};
use super::shares::beneath;

/// Maximum number of left-out files that are recorded: more than a user looks through.
pub(crate) const MAX_LEFT_OUT: usize = 10_000;

/// Files in shared places that are not shared, as of the last scans. Pure and bounded.
#[derive(Debug, Default)]
pub(super) struct LeftOutFiles {
    found: BTreeMap<PathBuf, SkipReason>,
    /// More files were left out than are recorded.
    is_truncated: bool,
}

impl LeftOutFiles {
    /// Records what a scan of these places skipped; returns false if no entry there changes. An incomplete scan removes no
    /// earlier entries.
    pub(super) fn record_scan(
        &mut self,
        places: &[PathBuf],
        skipped: &[SkippedEntry],
        is_complete: bool,
    ) -> bool {
        let before = self.found.len();
        if is_complete {
            for place in places {
                self.forget(place);
            }
        }
        // Partial files are not files yet, and the node's own state never belongs to the user's files.
        let is_file =
            |skip: &&SkippedEntry| !matches!(skip.reason, SkipReason::Unfinished | SkipReason::OwnState);
        let mut is_changed = self.found.len() < before;
        for SkippedEntry { location, reason } in skipped.iter().filter(is_file) {
            is_changed = true;
            if self.found.len() < MAX_LEFT_OUT || self.found.contains_key(location) {
                self.found.insert(location.clone(), reason.clone());
            } else {
                self.is_truncated = true;
            }
        }
        is_changed
    }

    /// Removes the entries at and below a place.
    pub(super) fn forget(&mut self, place: &Path) {
        let removed: Vec<PathBuf> =
            beneath(&self.found, place).map(|(location, _)| location.clone()).collect();
        for location in &removed {
            self.found.remove(location);
        }
        self.is_truncated &= !self.found.is_empty();
    }

    /// Returns the entries in the order of their paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &SkipReason)> {
        self.found.iter().map(|(location, reason)| (location.as_path(), reason))
    }

    /// Returns true if more files may be left out than are recorded.
    pub(super) const fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(location: &str) -> SkippedEntry {
        SkippedEntry { location: location.into(), reason: SkipReason::Hidden }
    }

    fn locations(left_out: &LeftOutFiles) -> Vec<&str> {
        left_out.iter().map(|(location, _)| location.to_str().unwrap()).collect()
    }

    #[test]
    fn scan_replaces_earlier_results_of_its_places() {
        let mut left_out = LeftOutFiles::default();
        let part = SkippedEntry { location: "/s/x.part".into(), reason: SkipReason::Unfinished };
        assert!(!left_out.record_scan(&["/s".into()], &[part], true));
        left_out.record_scan(&["/s".into()], &[skip("/s/a"), skip("/s/b/c"), skip("/s/b.x")], true);
        left_out.record_scan(&["/s/b".into()], &[skip("/s/b/d")], true);
        assert_eq!(locations(&left_out), ["/s/a", "/s/b/d", "/s/b.x"]);
        left_out.record_scan(&["/s".into()], &[], false);
        assert_eq!(locations(&left_out).len(), 3);
        left_out.record_scan(&["/s".into()], &[], true);
        assert_eq!(locations(&left_out), [""; 0]);
    }

    #[test]
    fn number_of_entries_is_bounded() {
        let mut left_out = LeftOutFiles::default();
        let many: Vec<SkippedEntry> =
            (0..=MAX_LEFT_OUT).map(|number| skip(&format!("/s/{number}"))).collect();
        left_out.record_scan(&["/s".into()], &many, true);
        assert!(left_out.is_truncated() && left_out.iter().count() == MAX_LEFT_OUT);
        left_out.forget(Path::new("/s"));
        assert!(!left_out.is_truncated());
    }
}
