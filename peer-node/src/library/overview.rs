//! What is shared and what is left out of it, place by place. Pure.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use protocol::share_path::SharePath;

use super::listing::{ShareListing, SharedFile};
use super::report::SkipReason;

/// The shared places and what lies in them and is not shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareOverview {
    /// The share folder first, then what was registered elsewhere.
    pub places: Vec<SharedPlace>,
    /// The patterns that hold in all of them as long as the node runs.
    pub global_patterns: Vec<String>,
    /// What is left out, in the order of the paths.
    pub left_out: Vec<LeftOutFile>,
    /// There is more that is left out than is remembered.
    pub is_truncated: bool,
}

/// A folder or a file that is shared with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPlace {
    /// Where it lies.
    pub location: PathBuf,
    /// What it is called on the network; the share folder has no name.
    pub name: Option<SharePath>,
    /// The patterns that were given with it or with folders in it.
    pub patterns: Vec<ScopedPattern>,
}

/// A pattern and the folder in which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedPattern {
    /// The folder.
    pub folder: PathBuf,
    /// The pattern.
    pub pattern: String,
}

/// A file, or a folder with all below it, that is not shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOutFile {
    /// Where it lies.
    pub location: PathBuf,
    /// Why it is not shared.
    pub reason: SkipReason,
}

/// How much of one place is shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShareCount {
    /// The files that are shared.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// The files and folders that are left out.
    pub left_out: u64,
}

impl ShareOverview {
    /// Counts what is shared and what is left out, in the order of the places.
    pub fn counts(&self, listing: &ShareListing) -> Vec<ShareCount> {
        let places = self.places.iter().enumerate().map(|(at, place)| (place.location.as_path(), at));
        let places: HashMap<&Path, usize> = places.collect();
        let root = self.places.first().map(|place| place.location.as_path());
        // The share folder comes before a place that lies around it.
        let place_of = |location: &Path| match root.filter(|root| location.starts_with(root)) {
            Some(_) => Some(0),
            None => location.ancestors().find_map(|ancestor| places.get(ancestor).copied()),
        };
        let mut counts = vec![ShareCount::default(); self.places.len()];
        for SharedFile { location, size, .. } in listing.iter() {
            if let Some(count) = place_of(location).and_then(|at| counts.get_mut(at)) {
                count.files += 1;
                count.bytes = count.bytes.saturating_add(*size);
            }
        }
        for LeftOutFile { location, .. } in &self.left_out {
            if let Some(count) = place_of(location).and_then(|at| counts.get_mut(at)) {
                count.left_out += 1;
            }
        }
        counts
    }

    /// Counts what is left out by the reason, the most frequent first.
    pub fn counts_by_reason(&self) -> Vec<(&'static str, u64)> {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        for LeftOutFile { reason, .. } in &self.left_out {
            *counts.entry(reason.label()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Returns how much is left out and why, in one line; `None` if nothing is.
    pub fn summary(&self) -> Option<String> {
        let reasons = self.counts_by_reason();
        let total: u64 = reasons.iter().map(|(_, count)| count).sum();
        if total == 0 {
            return None;
        }
        let parts: Vec<String> = reasons.iter().map(|(label, count)| format!("{label}: {count}")).collect();
        let total = if self.is_truncated { format!("more than {total}") } else { total.to_string() };
        Some(format!("{total} left out ({})", parts.join(", ")))
    }

    /// Returns true if something is left out for a reason that a user may not expect.
    pub fn has_unexpected(&self) -> bool {
        self.left_out.iter().any(|file| !file.reason.is_expected())
    }

    /// Returns what is left out of a place, or of a folder in it.
    pub fn left_out_beneath(&self, place: &Path) -> impl Iterator<Item = &LeftOutFile> {
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
        let listing = ShareListing::from_sorted(files);
        let count = |files, bytes, left_out| ShareCount { files, bytes, left_out };
        assert_eq!(overview.counts(&listing), [count(2, 7, 2), count(1, 5, 1)]);
        assert_eq!(overview.counts_by_reason(), [("hidden", 2), ("links", 1)]);
        assert_eq!(overview.summary().unwrap(), "3 left out (hidden: 2, links: 1)");
        assert_eq!(ShareOverview::default().summary(), None);
        assert!(overview.has_unexpected());
        assert_eq!(overview.left_out_beneath(Path::new("/s")).count(), 2);
    }
}
