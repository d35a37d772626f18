//! A list of files with its summary, as the node shares it or as the index stores it.

use protocol::index::ListSummary;

use crate::library::ShareEntry;
use crate::sorted_chunks::SortedChunks;

/// Files sorted by path, without duplicates, and their summary. A copy costs little, and a change copies a small part.
#[derive(Debug, Clone, Default)]
pub(super) struct ShareList {
    entries: SortedChunks<ShareEntry>,
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
        self.entries.get(|entry| entry.path().cmp(path))
    }

    /// Inserts a file; replaces one with the same path.
    pub(super) fn insert(&mut self, entry: ShareEntry) {
        self.summary.add(entry.record());
        if let Some(old) = self.entries.insert(entry) {
            self.summary.remove(old.record());
        }
        debug_assert_eq!(self.summary.files as usize, self.entries.len(), "the summary counts other files");
    }

    /// Removes a file, if present.
    pub(super) fn remove(&mut self, path: &str) {
        if let Some(old) = self.entries.remove(|entry| entry.path().cmp(path)) {
            self.summary.remove(old.record());
        }
    }

    /// Returns the files in the order of their paths.
    pub(super) const fn entries(&self) -> &SortedChunks<ShareEntry> {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::digest::Digest;
    use protocol::index::{FileRecord, Share};

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
    }
}
