//! A list of files with its summary, as the node shares it or as the index stores it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::index::{FileRecord, ListSummary};

/// A file of a list, identified by its path. Lists share the record.
#[derive(Debug, Clone)]
pub(super) struct ShareEntry(Arc<FileRecord>);

impl ShareEntry {
    pub(super) fn record(&self) -> &FileRecord {
        &self.0
    }

    pub(super) fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns true if the complete records are equal, not only the paths.
    pub(super) fn is_same_record(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl From<FileRecord> for ShareEntry {
    fn from(record: FileRecord) -> Self {
        Self(Arc::new(record))
    }
}

impl Borrow<str> for ShareEntry {
    fn borrow(&self) -> &str {
        self.path()
    }
}

impl Ord for ShareEntry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.path().cmp(other.path())
    }
}

impl PartialOrd for ShareEntry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ShareEntry {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Eq for ShareEntry {}

/// Files sorted by path, without duplicates, and their summary.
#[derive(Debug, Clone, Default)]
pub(super) struct ShareList {
    entries: BTreeSet<ShareEntry>,
    summary: ListSummary,
}

impl ShareList {
    pub(super) const fn summary(&self) -> ListSummary {
        self.summary
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entry(&self, path: &str) -> Option<&ShareEntry> {
        self.entries.get(path)
    }

    /// Inserts a file; replaces one with the same path.
    pub(super) fn insert(&mut self, entry: ShareEntry) {
        self.summary.add(entry.record());
        if let Some(old) = self.entries.replace(entry) {
            self.summary.remove(old.record());
        }
    }

    /// Removes a file, if present.
    pub(super) fn remove(&mut self, path: &str) {
        if let Some(old) = self.entries.take(path) {
            self.summary.remove(old.record());
        }
    }

    /// Returns the files in the order of their paths.
    pub(super) const fn entries(&self) -> &BTreeSet<ShareEntry> {
        &self.entries
    }
}

/// Pairs the files of two lists by path, in order. A file without a counterpart is paired with `None`.
pub(super) fn pair_by_path<'a>(
    ours: &'a BTreeSet<ShareEntry>,
    theirs: &'a BTreeSet<ShareEntry>,
) -> impl Iterator<Item = (Option<&'a ShareEntry>, Option<&'a ShareEntry>)> {
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (ours.peek(), theirs.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(two)) => one.cmp(two),
        };
        let one = if order.is_le() { ours.next() } else { None };
        let two = if order.is_ge() { theirs.next() } else { None };
        Some((one, two))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::digest::Digest;
    use protocol::index::Share;

    use super::*;

    fn record(path: u8, digest: u8) -> FileRecord {
        FileRecord {
            path: path.to_string(),
            size: 1,
            digest: Digest::from_bytes([digest; 32]),
            share: Share::Complete,
        }
    }

    proptest! {
        #[test]
        fn summary_always_matches_the_files(
            steps in prop::collection::vec((any::<bool>(), 0u8..8, 0u8..3), 0..50),
        ) {
            let mut list = ShareList::default();
            for (put, path, digest) in steps {
                if put {
                    list.insert(record(path, digest).into());
                } else {
                    list.remove(&path.to_string());
                }
            }
            let mut summary = ListSummary::default();
            list.entries.iter().for_each(|entry| summary.add(entry.record()));
            prop_assert_eq!(list.summary(), summary);
        }

        #[test]
        fn pairs_cover_both_lists_in_order(ours: Vec<(u8, u8)>, theirs: Vec<(u8, u8)>) {
            let list = |files: Vec<(u8, u8)>| {
                let mut list = ShareList::default();
                for (path, digest) in files {
                    list.insert(record(path, digest).into());
                }
                list
            };
            let (ours, theirs) = (list(ours), list(theirs));
            let pairs: Vec<_> = pair_by_path(&ours.entries, &theirs.entries).collect();
            prop_assert!(pairs.iter().filter_map(|pair| pair.0).eq(&ours.entries));
            prop_assert!(pairs.iter().filter_map(|pair| pair.1).eq(&theirs.entries));
            for (one, two) in pairs {
                prop_assert!(one.is_none() || two.is_none() || one == two);
            }
        }
    }
}
