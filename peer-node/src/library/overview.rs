//! Lists shared places and the files in them that are left out. Pure.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;

use super::listing::{ShareListing, SharedFile};
use super::report::SkipReason;

/// The shared places and the files in them that are not shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShareOverview {
    /// The share folder, followed by the registered places.
    pub places: Vec<SharedPlace>,
    /// Patterns that apply everywhere while the node runs.
    pub global_patterns: Vec<String>,
    /// Left-out files, sorted by path.
    pub left_out: Vec<LeftOutFile>,
    /// More files are left out than are recorded.
    pub is_truncated: bool,
}

/// A file, or a folder with everything below it, that is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedPlace {
    /// Absolute path.
    pub location: PathBuf,
    /// Network name; the share folder has none.
    pub name: Option<SharePath>,
    /// Patterns that were registered with the place or with folders in it.
    pub patterns: Vec<ScopedPattern>,
}

/// A pattern and the folder in which it applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScopedPattern {
    /// The folder.
    pub folder: PathBuf,
    /// The pattern.
    pub pattern: String,
}

/// A file, or a folder with everything below it, that is not shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOutFile {
    /// Absolute path.
    pub location: PathBuf,
    /// Why it is not shared.
    pub reason: SkipReason,
}

/// Numbers of shared and left-out files of one place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ShareCount {
    /// Number of shared files.
    pub files: u64,
    /// Their total size in bytes.
    pub bytes: u64,
    /// Number of files and folders that are left out.
    pub left_out: u64,
}

impl ShareOverview {
    /// Counts shared and left-out files, in the order of the places.
    pub(crate) fn counts(&self, listing: &ShareListing) -> Vec<ShareCount> {
        let places = self.places.iter().enumerate().map(|(index, place)| (place.location.as_path(), index));
        let places: HashMap<&Path, usize> = places.collect();
        let root = self.places.first().map(|place| place.location.as_path());
        // The share folder takes precedence over a registered place that contains it.
        let place_of = |location: &Path| match root.filter(|root| location.starts_with(root)) {
            Some(_) => Some(0),
            None => location.ancestors().find_map(|ancestor| places.get(ancestor).copied()),
        };
        let mut counts = vec![ShareCount::default(); self.places.len()];
        for SharedFile { location, size, .. } in listing.iter() {
            if let Some(count) = place_of(location).and_then(|index| counts.get_mut(index)) {
                count.files += 1;
                count.bytes = count.bytes.saturating_add(*size);
            }
        }
        for LeftOutFile { location, .. } in &self.left_out {
            if let Some(count) = place_of(location).and_then(|index| counts.get_mut(index)) {
                count.left_out += 1;
            }
        }
        counts
    }

    /// Counts left-out files by reason, the most frequent reason first.
    pub(crate) fn counts_by_reason(&self) -> Vec<(&'static str, u64)> {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        for LeftOutFile { reason, .. } in &self.left_out {
            *counts.entry(reason.label()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Returns a one-line summary of what is left out and why; `None` if nothing is left out.
    pub(crate) fn summary(&self) -> Option<String> {
        let reasons = self.counts_by_reason();
        let total: u64 = reasons.iter().map(|(_, count)| count).sum();
        if total == 0 {
            return None;
        }
        let parts: Vec<String> = reasons.iter().map(|(label, count)| format!("{label}: {count}")).collect();
        let total = if self.is_truncated { format!("more than {total}") } else { total.to_string() };
        Some(format!("{total} left out ({})", parts.join(", ")))
    }

    /// Returns true if a file is left out for a reason that users may not expect.
    pub(crate) fn has_unexpected(&self) -> bool {
        self.left_out.iter().any(|file| !file.reason.is_expected())
    }

    /// Returns the left-out files at and below a place.
    pub(crate) fn left_out_beneath(&self, place: &Path) -> impl Iterator<Item = &LeftOutFile> {
        self.left_out.iter().filter(move |file| file.location.starts_with(place))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use protocol::digest::Digest;

    use super::*;
    use crate::storage::FileIdentity;

    fn file(location: &str, size: u64) -> Arc<SharedFile> {
        let identity = FileIdentity { dev: 0, ino: 0, size, mtime_ns: 0, ctime_ns: 0 };
        let path = SharePath::parse(location.trim_start_matches('/')).unwrap();
        let (digest, since) = (Digest::EMPTY, SystemTime::UNIX_EPOCH);
        Arc::new(SharedFile { path, location: location.into(), identity, size, digest, since })
    }

    fn left_out(location: &str, reason: SkipReason) -> LeftOutFile {
        LeftOutFile { location: location.into(), reason }
    }

    #[test]
    fn files_are_counted_by_place_and_reason() {
        let place =
            |location: &str| SharedPlace { location: location.into(), name: None, patterns: Vec::new() };
        let overview = ShareOverview {
            places: vec![place("/s"), place("/data/music")],
            global_patterns: Vec::new(),
            left_out: vec![
                left_out("/data/music/l", SkipReason::Link),
                left_out("/s/.a", SkipReason::Hidden),
                left_out("/s/.b", SkipReason::Hidden),
            ],
            is_truncated: false,
        };
        let files = vec![file("/data/music/a", 5), file("/s/x", 3), file("/s/y/z", 4)];
        let listing = ShareListing::from_files(files);
        let count = |files, bytes, left_out| ShareCount { files, bytes, left_out };
        assert_eq!(overview.counts(&listing), [count(2, 7, 2), count(1, 5, 1)]);
        assert_eq!(overview.counts_by_reason(), [("hidden", 2), ("links", 1)]);
        assert_eq!(overview.summary().unwrap(), "3 left out (hidden: 2, links: 1)");
        assert_eq!(ShareOverview::default().summary(), None);
        assert!(overview.has_unexpected());
        assert_eq!(overview.left_out_beneath(Path::new("/s")).count(), 2);
    }
}
