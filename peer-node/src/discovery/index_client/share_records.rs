//! The records of everything that a node shares, and how two states of them differ.

use std::collections::BTreeSet;

use protocol::index::FileRecord;

use crate::library::ShareEntry;
use crate::sorted_chunks::SortedChunks;

/// The records of all files that a node shares at one moment. A copy costs little, and two states are compared without reading
/// what they have in common.
#[derive(Debug, Clone, Default)]
pub struct ShareRecords {
    /// The complete files.
    files: SortedChunks<ShareEntry>,
    /// The unfinished downloads, of which there are few.
    partials: BTreeSet<ShareEntry>,
}

/// A difference between two states.
#[derive(Debug)]
pub(super) enum RecordChange {
    /// The file is new, or its record has changed.
    Present(ShareEntry),
    /// The file is gone. Contains its previous record.
    Removed(ShareEntry),
}

impl ShareRecords {
    /// Combines complete files and unfinished downloads. If both have the same path, only the file counts.
    pub(super) fn new(files: &SortedChunks<ShareEntry>, partials: Vec<FileRecord>) -> Self {
        Self { files: files.clone(), partials: partials.into_iter().map(ShareEntry::from).collect() }
    }

    /// Returns the number of records.
    pub(super) fn len(&self) -> usize {
        self.files.len() + self.partials.len()
    }

    /// Returns how this state differs from an earlier one, once per path.
    pub(super) fn changes_since(&self, before: &Self) -> Vec<RecordChange> {
        let pairs = before.files.pairs_of_unshared(&self.files);
        let differing = pairs.filter(|(old, new)| match (old, new) {
            (Some(old), Some(new)) => !old.is_same_record(new),
            _ => true,
        });
        let files = differing.filter_map(|(old, new)| old.or(new));
        let paths: BTreeSet<&ShareEntry> = files.chain(&before.partials).chain(&self.partials).collect();
        paths.into_iter().filter_map(|path| change(before.get(path), self.get(path))).collect()
    }

    fn get(&self, path: &ShareEntry) -> Option<&ShareEntry> {
        self.files.get(|entry| entry.cmp(path)).or_else(|| self.partials.get(path))
    }
}

fn change(old: Option<&ShareEntry>, new: Option<&ShareEntry>) -> Option<RecordChange> {
    match (old, new) {
        (Some(old), Some(new)) if old.is_same_record(new) => None,
        (_, Some(new)) => Some(RecordChange::Present(new.clone())),
        (Some(old), None) => Some(RecordChange::Removed(old.clone())),
        (None, None) => None,
    }
}

impl From<Vec<FileRecord>> for ShareRecords {
    /// Sorts records; of several with the same path the last one counts.
    fn from(records: Vec<FileRecord>) -> Self {
        let files = records.into_iter().map(ShareEntry::from).collect();
        Self { files, partials: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use protocol::digest::Digest;
    use protocol::index::Share;

    use super::*;

    type Files = BTreeMap<u8, u8>;

    fn records(files: &Files) -> Vec<FileRecord> {
        let record = |(path, digest): (&u8, &u8)| FileRecord {
            path: path.to_string(),
            size: 1,
            digest: Digest::from_bytes([*digest; 32]),
            share: Share::Complete,
        };
        files.iter().map(record).collect()
    }

    fn files() -> impl Strategy<Value = Files> {
        prop::collection::btree_map(0_u8..20, 0_u8..3, 0..15)
    }

    proptest! {
        #[test]
        fn changes_turn_one_state_into_the_next(states in prop::collection::vec((files(), files()), 1..6)) {
            let (mut before, mut model) = (ShareRecords::default(), BTreeMap::<String, FileRecord>::new());
            for (files, partials) in states {
                let now = ShareRecords::new(&ShareRecords::from(records(&files)).files, records(&partials));
                for change in now.changes_since(&before) {
                    match change {
                        RecordChange::Present(new) => {
                            let old = model.insert(new.path().to_owned(), new.record().clone());
                            prop_assert_ne!(old.as_ref(), Some(new.record()));
                        }
                        RecordChange::Removed(old) => {
                            let removed = model.remove(old.path());
                            prop_assert_eq!(removed.as_ref(), Some(old.record()));
                        }
                    }
                }
                let mut all: BTreeMap<u8, u8> = partials;
                all.extend(files);
                let expected = records(&all).into_iter().map(|record| (record.path.clone(), record)).collect();
                prop_assert_eq!(&model, &expected);
                before = now;
            }
        }
    }
}
