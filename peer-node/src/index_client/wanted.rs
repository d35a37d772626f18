//! The list that the index is to have.

use std::collections::BTreeSet;

use protocol::escape::display_safe;

use super::share_list::{Entry, ShareList, paired};
use super::shares::Snapshot;

/// The node's share list without the files that the index will not have.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    list: ShareList,
    /// Refused as they are; a file that changes is tried again.
    refused: BTreeSet<Entry>,
    /// Not sent, because release 0.1.0 does not accept their names and the index has not announced that it does.
    withheld: BTreeSet<Entry>,
    accepts_any_names: bool,
    generation: Option<u64>,
    settled: bool,
}

impl Wanted {
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
    pub(super) fn refused(&self) -> usize {
        self.refused.len()
    }

    /// Returns how many files are withheld because of their names.
    pub(super) fn withheld(&self) -> usize {
        self.withheld.len()
    }

    /// Takes over whether the index accepts names beyond those of release 0.1.0.
    pub(super) fn accept_any_names(&mut self, accepts: bool) {
        self.accepts_any_names = accepts;
        if accepts {
            for entry in std::mem::take(&mut self.withheld) {
                self.list.put(entry);
            }
        } else {
            let odd: Vec<Entry> =
                self.list.entries().iter().filter(|entry| !has_basic_name(entry)).cloned().collect();
            for entry in odd {
                self.list.take(entry.path());
                self.withheld.insert(entry);
            }
        }
    }

    /// Takes over a new look at the library. Only what has changed is judged and hashed.
    pub(super) fn update(&mut self, snapshot: Snapshot) {
        self.generation = Some(snapshot.generation);
        self.settled |= snapshot.settled;
        let mut fresh: BTreeSet<Entry> = snapshot.records.into_iter().map(Entry::from).collect();
        self.withheld.clear();
        if !self.accepts_any_names {
            self.withheld = fresh.extract_if(.., is_valid_but_not_basic).collect();
        }
        self.refused.retain(|old| fresh.get(old.path()).is_some_and(|new| new.is(old)));
        let mut changed = Vec::new();
        for (old, new) in paired(self.list.entries(), &fresh) {
            match (old, new) {
                (Some(old), Some(new)) if old.is(new) => {}
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
                None => self.list.take(old.path()),
                Some((Ok(_), new)) => self.list.put(new),
                Some((Err(error), new)) => {
                    tracing::warn!(path = %display_safe(new.path()), %error, "file cannot be registered");
                    self.list.take(new.path());
                    self.refused.insert(new);
                }
            }
        }
    }

    /// Leaves a file out that the index refused, unless it has changed since.
    pub(super) fn refuse(&mut self, entry: Entry) {
        if self.list.entry(entry.path()).is_some_and(|current| current.is(&entry)) {
            self.list.take(entry.path());
            self.refused.insert(entry);
        }
    }
}

/// Returns true if every index accepts the name of a file whose record is valid.
fn has_basic_name(entry: &Entry) -> bool {
    entry.record().check().is_ok_and(|path| path.is_basic())
}

fn is_valid_but_not_basic(entry: &Entry) -> bool {
    entry.record().check().is_ok_and(|path| !path.is_basic())
}

#[cfg(test)]
mod tests {
    use protocol::digest::Digest;
    use protocol::index::{FileRecord, Share};

    use super::*;

    fn update(wanted: &mut Wanted, generation: u64, files: &[(&str, u8)]) {
        let record = |&(path, digest): &(&str, u8)| FileRecord {
            path: path.into(),
            size: 1,
            digest: Digest::from_bytes([digest; 32]),
            share: Share::Whole,
        };
        wanted.update(Snapshot { generation, records: files.iter().map(record).collect(), settled: true });
    }

    fn paths(wanted: &Wanted) -> Vec<&str> {
        wanted.list().entries().iter().map(Entry::path).collect()
    }

    #[test]
    fn the_list_follows_the_library() {
        let mut wanted = Wanted::default();
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
        let mut wanted = Wanted::default();
        update(&mut wanted, 1, &[("a", 1), ("b", 1)]);
        let refused = wanted.list().entry("a").unwrap().clone();
        wanted.refuse(refused.clone());
        update(&mut wanted, 2, &[("a", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused()), (vec!["b"], 1));
        update(&mut wanted, 3, &[("a", 2), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused()), (vec!["a", "b"], 0));
        wanted.refuse(refused);
        assert_eq!(
            (paths(&wanted), wanted.refused()),
            (vec!["a", "b"], 0),
            "the refusal came for the file as it was"
        );
        update(&mut wanted, 4, &[]);
        assert_eq!((paths(&wanted), wanted.refused()), (vec![], 0));
    }

    #[test]
    fn names_that_an_index_does_not_accept_are_withheld_from_it() {
        let mut wanted = Wanted::default();
        update(&mut wanted, 1, &[("K: x", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.withheld(), wanted.refused()), (vec!["b"], 1, 0));
        wanted.accept_any_names(false);
        assert_eq!((paths(&wanted), wanted.withheld()), (vec!["b"], 1));
        wanted.accept_any_names(true);
        assert_eq!((paths(&wanted), wanted.withheld()), (vec!["K: x", "b"], 0));
        update(&mut wanted, 2, &[("K: x", 1), ("a\\b", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.withheld()), (vec!["K: x", "a\\b", "b"], 0));
        wanted.accept_any_names(false);
        assert_eq!((paths(&wanted), wanted.withheld()), (vec!["b"], 2));
        update(&mut wanted, 3, &[("K: x", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.withheld()), (vec!["b"], 1));
    }

    #[test]
    fn what_no_index_can_take_is_not_even_sent() {
        let mut wanted = Wanted::default();
        update(&mut wanted, 1, &[("../a", 1), (&"x".repeat(3 << 20), 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused()), (vec!["b"], 2));
        update(&mut wanted, 2, &[("../a", 1), ("b", 1)]);
        assert_eq!((paths(&wanted), wanted.refused()), (vec!["b"], 1));
    }
}
