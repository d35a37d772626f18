//! The list that the index should have.

use std::collections::BTreeSet;

use protocol::escape::display_safe;

use super::share_list::ShareList;
use super::share_records::{RecordChange, ShareRecords};
use super::share_source::ShareSnapshot;
use crate::library::ShareEntry;

/// The node's share list without the files that the index does not accept.
#[derive(Debug, Default)]
pub(super) struct DesiredList {
    /// The records of the last snapshot: those in the list, refused and withheld.
    records: ShareRecords,
    list: ShareList,
    /// Files that the index refused. A file that changes is sent again.
    refused: BTreeSet<ShareEntry>,
    /// Files that are not sent because of their names: release 0.1.0 does not accept them, and the index has not announced
    /// support.
    withheld: BTreeSet<ShareEntry>,
    accepts_any_names: bool,
    generation: Option<u64>,
    settled: bool,
}

impl DesiredList {
    pub(super) const fn list(&self) -> &ShareList {
        &self.list
    }

    /// Returns the library generation of the list; `None` before the first update.
    pub(super) const fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// Returns true once the library has settled, so that files missing from the list are not shared.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns the number of refused files.
    pub(super) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// Returns the number of files that are withheld because of their names.
    pub(super) fn withheld_count(&self) -> usize {
        self.withheld.len()
    }

    /// Sets whether the index accepts names beyond those of release 0.1.0.
    pub(super) fn set_accepts_any_names(&mut self, accepts: bool) {
        self.accepts_any_names = accepts;
        if accepts {
            for entry in std::mem::take(&mut self.withheld) {
                self.list.insert(entry);
            }
        } else {
            let listed = self.list.entries().iter().filter(|entry| is_valid_but_not_basic(entry));
            for entry in listed.cloned().collect::<Vec<ShareEntry>>() {
                self.list.remove(entry.path());
                self.withheld.insert(entry);
            }
            // A file that is withheld gets another chance at an index that accepts its name.
            self.withheld.extend(self.refused.extract_if(.., is_valid_but_not_basic));
        }
    }

    /// Updates the list from a library snapshot. Only changed files are looked at.
    pub(super) fn update(&mut self, snapshot: ShareSnapshot) {
        self.generation = Some(snapshot.generation);
        self.settled |= snapshot.settled;
        let changes = snapshot.records.changes_since(&self.records);
        self.records = snapshot.records;
        for change in changes {
            // A refused file gets another chance once its record has changed.
            let (RecordChange::Present(entry) | RecordChange::Removed(entry)) = &change;
            self.refused.remove(entry);
            self.withheld.remove(entry);
            match change {
                RecordChange::Present(entry) => self.insert(entry),
                RecordChange::Removed(entry) => self.list.remove(entry.path()),
            }
        }
    }

    /// Inserts a new or changed file, unless the index does not accept it.
    fn insert(&mut self, entry: ShareEntry) {
        if !self.accepts_any_names && is_valid_but_not_basic(&entry) {
            self.list.remove(entry.path());
            self.withheld.insert(entry);
        } else if let Err(error) = entry.record().check() {
            tracing::warn!(path = %display_safe(entry.path()), %error, "file cannot be registered");
            self.list.remove(entry.path());
            self.refused.insert(entry);
        } else {
            self.list.insert(entry);
        }
    }

    /// Excludes a file that the index refused, unless it has changed since.
    pub(super) fn exclude(&mut self, entry: ShareEntry) {
        if self.list.entry(entry.path()).is_some_and(|current| current.is_same_record(&entry)) {
            self.list.remove(entry.path());
            self.refused.insert(entry);
        }
    }
}

/// Returns true if the record is valid, but some indexes do not accept its name.
fn is_valid_but_not_basic(entry: &ShareEntry) -> bool {
    entry.record().check().is_ok_and(|path| !path.is_basic())
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::index::{FileRecord, Share};

    use super::*;

    fn update(desired: &mut DesiredList, generation: u64, files: &[(&str, u8)]) {
        let record = |&(path, digest): &(&str, u8)| FileRecord {
            path: path.into(),
            size: 1,
            digest: Digest::from_bytes([digest; 32]),
            share: Share::Complete,
        };
        desired.update(ShareSnapshot {
            generation,
            records: files.iter().map(record).collect::<Vec<_>>().into(),
            settled: true,
        });
    }

    fn paths(desired: &DesiredList) -> Vec<&str> {
        desired.list().entries().iter().map(ShareEntry::path).collect()
    }

    #[test]
    fn list_follows_the_library() {
        let mut desired = DesiredList::default();
        assert_eq!(desired.generation(), None);
        update(&mut desired, 1, &[("b", 1), ("a", 1), ("a", 1)]);
        assert_eq!((paths(&desired), desired.generation()), (vec!["a", "b"], Some(1)));
        let before = desired.list().summary();
        update(&mut desired, 2, &[("b", 2), ("c", 1)]);
        assert_eq!(paths(&desired), ["b", "c"]);
        update(&mut desired, 3, &[("b", 1), ("a", 1)]);
        assert_eq!(desired.list().summary(), before);
    }

    #[test]
    fn refused_file_is_left_out_until_it_changes() {
        let mut desired = DesiredList::default();
        update(&mut desired, 1, &[("a", 1), ("b", 1)]);
        let refused = desired.list().entry("a").unwrap().clone();
        desired.exclude(refused.clone());
        update(&mut desired, 2, &[("a", 1), ("b", 1)]);
        assert_eq!((paths(&desired), desired.refused_count()), (vec!["b"], 1));
        update(&mut desired, 3, &[("a", 2), ("b", 1)]);
        assert_eq!((paths(&desired), desired.refused_count()), (vec!["a", "b"], 0));
        desired.exclude(refused);
        assert_eq!(
            (paths(&desired), desired.refused_count()),
            (vec!["a", "b"], 0),
            "the refusal applies to the earlier version"
        );
        update(&mut desired, 4, &[]);
        assert_eq!((paths(&desired), desired.refused_count()), (vec![], 0));
    }

    #[test]
    fn unsupported_names_are_withheld() {
        let mut desired = DesiredList::default();
        update(&mut desired, 1, &[("K: x", 1), ("b", 1)]);
        assert_eq!((paths(&desired), desired.withheld_count(), desired.refused_count()), (vec!["b"], 1, 0));
        desired.set_accepts_any_names(false);
        assert_eq!((paths(&desired), desired.withheld_count()), (vec!["b"], 1));
        desired.set_accepts_any_names(true);
        assert_eq!((paths(&desired), desired.withheld_count()), (vec!["K: x", "b"], 0));
        update(&mut desired, 2, &[("K: x", 1), ("a\\b", 1), ("b", 1)]);
        assert_eq!((paths(&desired), desired.withheld_count()), (vec!["K: x", "a\\b", "b"], 0));
        desired.set_accepts_any_names(false);
        assert_eq!((paths(&desired), desired.withheld_count()), (vec!["b"], 2));
        update(&mut desired, 3, &[("K: x", 1), ("b", 1)]);
        assert_eq!((paths(&desired), desired.withheld_count()), (vec!["b"], 1));
    }

    #[test]
    fn unacceptable_files_are_not_sent() {
        let mut desired = DesiredList::default();
        update(&mut desired, 1, &[("../a", 1), (&"x".repeat(3 << 20), 1), ("b", 1)]);
        assert_eq!((paths(&desired), desired.refused_count()), (vec!["b"], 2));
        update(&mut desired, 2, &[("../a", 1), ("b", 1)]);
        assert_eq!((paths(&desired), desired.refused_count()), (vec!["b"], 1));
    }
}
