//! The list that the index is to have.

use std::collections::BTreeSet;

use protocol::escape::display_safe;

use super::share_list::{ShareEntry, ShareList, pair_by_path};
use super::share_source::ShareSnapshot;

/// The node's share list without the files that the index will not have.
#[derive(Debug, Default)]
pub(super) struct DesiredList {
    list: ShareList,
    /// Refused as they are; a file that changes is tried again.
    refused: BTreeSet<ShareEntry>,
    /// Not sent, because release 0.1.0 does not accept their names and the index has not announced that it does.
    withheld: BTreeSet<ShareEntry>,
    accepts_any_names: bool,
    generation: Option<u64>,
    settled: bool,
}

impl DesiredList {
    pub(super) const fn list(&self) -> &ShareList {
        &self.list
    }

    /// The number of the library's state that the list shows, if it was ever looked at.
    pub(super) const fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// Whether what is not in the list is not shared, or may yet turn up.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// How many files are left out.
    pub(super) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// Returns how many files are withheld because of their names.
    pub(super) fn withheld_count(&self) -> usize {
        self.withheld.len()
    }

    /// Takes over whether the index accepts names beyond those of release 0.1.0.
    pub(super) fn set_accepts_any_names(&mut self, accepts: bool) {
        self.accepts_any_names = accepts;
        if accepts {
            for entry in std::mem::take(&mut self.withheld) {
                self.list.insert(entry);
            }
        } else {
            let odd: Vec<ShareEntry> =
                self.list.entries().iter().filter(|entry| !has_basic_name(entry)).cloned().collect();
            for entry in odd {
                self.list.remove(entry.path());
                self.withheld.insert(entry);
            }
        }
    }

    /// Takes over a new look at the library. Only what has changed is judged and hashed.
    pub(super) fn update(&mut self, snapshot: ShareSnapshot) {
        self.generation = Some(snapshot.generation);
        self.settled |= snapshot.settled;
        let mut current: BTreeSet<ShareEntry> = snapshot.records.into_iter().map(ShareEntry::from).collect();
        self.withheld.clear();
        if !self.accepts_any_names {
            self.withheld = current.extract_if(.., is_valid_but_not_basic).collect();
        }
        self.refused.retain(|old| current.get(old.path()).is_some_and(|new| new.is_same_record(old)));
        let mut changed = Vec::new();
        for (old, new) in pair_by_path(self.list.entries(), &current) {
            match (old, new) {
                (Some(old), Some(new)) if old.is_same_record(new) => {}
                (Some(old), None) => changed.push((old.clone(), None)),
                (old, Some(new)) if self.refused.contains(new.path()) => {
                    changed.extend(old.map(|old| (old.clone(), None)));
                }
                (_, Some(new)) => changed.push((new.clone(), Some(new.clone()))),
                (None, None) => {}
            }
        }
        for (old, new) in changed {
            match new.map(|new| (new.record().check(), new)) {
                None => self.list.remove(old.path()),
                Some((Ok(_), new)) => self.list.insert(new),
                Some((Err(error), new)) => {
                    tracing::warn!(path = %display_safe(new.path()), %error, "file cannot be registered");
                    self.list.remove(new.path());
                    self.refused.insert(new);
                }
            }
        }
    }

    /// Leaves a file out that the index refused, unless it has changed since.
    pub(super) fn exclude(&mut self, entry: ShareEntry) {
        if self.list.entry(entry.path()).is_some_and(|current| current.is_same_record(&entry)) {
            self.list.remove(entry.path());
            self.refused.insert(entry);
        }
    }
}

/// Returns true if every index accepts the name of a file whose record is valid.
fn has_basic_name(entry: &ShareEntry) -> bool {
    entry.record().check().is_ok_and(|path| path.is_basic())
}

fn is_valid_but_not_basic(entry: &ShareEntry) -> bool {
    entry.record().check().is_ok_and(|path| !path.is_basic())
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::index::{FileRecord, Share};

    use super::*;

    fn update(wanted: &mut DesiredList, generation: u64, files: &[(&str, u8)]) {
        let record = |&(path, digest): &(&str, u8)| FileRecord {
            path: path.into(),
            size: 1,
            digest: Digest::from_bytes([digest; 32]),
            share: Share::Complete,
        };
        wanted.update(ShareSnapshot {
            generation,
            records: files.iter().map(record).collect(),
            settled: true,
        });
    }

    fn paths(wanted: &DesiredList) -> Vec<&str> {
        wanted.list().entries().iter().map(ShareEntry::path).collect()
    }

    #[test]
    fn list_follows_the_library() {
        let mut wanted = DesiredList::default();
        assert_eq!(wanted.generation(), None);
        update(&mut wanted, 1, &[("b", 1), ("a", 1), ("a", 1)]);
        assert_eq!((paths(&wanted), wanted.generation()), (vec!["a", "b"], Some(1)));
        let before = wanted.list().summary();
        update(&mut wanted, 2, &[("b", 2), ("c", 1)]);
        assert_eq!(paths(&wanted), ["b", "c"]);
        update(&mut wanted, 3, &[("b", 1), ("a", 1)]);
        assert_eq!(wanted.list().summary(), before);
    }

    #[test]
    fn a_refused_file_is_left_out_until_it_changes() {
        let mut wanted = DesiredList::default();
        update(&mut wanted, 1, &[("a", 1), ("b", 1)]);
        let refused = wanted.list().entry("a").unwrap().clone();
        wanted.exclude(refused.clone());
        update(&mut wanted, 2, &[("a", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused_count()), (vec!["b"], 1));
        update(&mut wanted, 3, &[("a", 2), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused_count()), (vec!["a", "b"], 0));
        wanted.exclude(refused);
        assert_eq!(
            (paths(&wanted), wanted.refused_count()),
            (vec!["a", "b"], 0),
            "the refusal came for the file as it was"
        );
        update(&mut wanted, 4, &[]);
        assert_eq!((paths(&wanted), wanted.refused_count()), (vec![], 0));
    }

    #[test]
    fn names_that_an_index_does_not_accept_are_withheld_from_it() {
        let mut wanted = DesiredList::default();
        update(&mut wanted, 1, &[("K: x", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.withheld_count(), wanted.refused_count()), (vec!["b"], 1, 0));
        wanted.set_accepts_any_names(false);
        assert_eq!((paths(&wanted), wanted.withheld_count()), (vec!["b"], 1));
        wanted.set_accepts_any_names(true);
        assert_eq!((paths(&wanted), wanted.withheld_count()), (vec!["K: x", "b"], 0));
        update(&mut wanted, 2, &[("K: x", 1), ("a\\b", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.withheld_count()), (vec!["K: x", "a\\b", "b"], 0));
        wanted.set_accepts_any_names(false);
        assert_eq!((paths(&wanted), wanted.withheld_count()), (vec!["b"], 2));
        update(&mut wanted, 3, &[("K: x", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.withheld_count()), (vec!["b"], 1));
    }

    #[test]
    fn unacceptable_files_are_not_sent() {
        let mut wanted = DesiredList::default();
        update(&mut wanted, 1, &[("../a", 1), (&"x".repeat(3 << 20), 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused_count()), (vec!["b"], 2));
        update(&mut wanted, 2, &[("../a", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused_count()), (vec!["b"], 1));
    }
}
