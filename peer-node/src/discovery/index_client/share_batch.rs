//! The difference between two lists, split into messages.

use protocol::index::{FileRecord, Request};
use protocol::limits::MAX_BATCH;

use super::share_list::ShareList;
use crate::library::ShareEntry;

/// Maximum bytes per batch: fits into a frame with a margin, and lets other requests get their turn.
const MAX_BATCH_BYTES: usize = 512 << 10;

/// Encoded size of a record without the bytes of its path: the length of the path, the size, the digest and the share.
const RECORD_BYTES: usize = 8 + 8 + 32 + 4;

/// A change to the index's list.
#[derive(Debug, Clone)]
pub(super) enum ShareBatch {
    /// Adds these files, or replaces their records.
    Register(Vec<ShareEntry>),
    /// Removes these files.
    Unregister(Vec<ShareEntry>),
}

impl ShareBatch {
    /// Applies the change to `list`, as the index does to its own.
    pub(super) fn apply(&self, list: &mut ShareList) {
        match self {
            Self::Register(entries) => entries.iter().for_each(|entry| list.insert(entry.clone())),
            Self::Unregister(entries) => entries.iter().for_each(|entry| list.remove(entry.path())),
        }
    }

    /// Returns the request that sends the change to the index.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::Register(entries) => {
                Request::Register { files: entries.iter().map(|entry| entry.record().clone()).collect() }
            }
            Self::Unregister(entries) => {
                Request::Unregister { paths: entries.iter().map(|entry| entry.path().to_owned()).collect() }
            }
        }
    }

    /// Removes the first file that matches from a registration and returns it; `None` if there is none.
    pub(super) fn remove(&mut self, is_match: impl Fn(&FileRecord) -> bool) -> Option<ShareEntry> {
        let Self::Register(entries) = self else { return None };
        let index = entries.iter().position(|entry| is_match(entry.record()))?;
        Some(entries.remove(index))
    }

    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::Register(entries) | Self::Unregister(entries) => entries.is_empty(),
        }
    }
}

/// Returns the batches that turn the list `have` into `want`. No path occurs twice, so the order of the batches does not
/// matter. Removals come first to free capacity.
pub(super) fn diff(have: &ShareList, want: &ShareList) -> Vec<ShareBatch> {
    let (mut removed, mut new) = (Vec::new(), Vec::new());
    for pair in have.entries().pairs_of_unshared(want.entries()) {
        match pair {
            (Some(old), None) => removed.push(old.clone()),
            (Some(old), Some(entry)) if old.is_same_record(entry) => {}
            (_, Some(entry)) => new.push(entry.clone()),
            (None, None) => {}
        }
    }
    let mut batches: Vec<_> = split_into_batches(removed).into_iter().map(ShareBatch::Unregister).collect();
    batches.extend(split_into_batches(new).into_iter().map(ShareBatch::Register));
    batches
}

fn split_into_batches(entries: Vec<ShareEntry>) -> Vec<Vec<ShareEntry>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        let more = RECORD_BYTES + entry.path().len();
        if part.len() == MAX_BATCH || (!part.is_empty() && bytes + more > MAX_BATCH_BYTES) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += more;
        part.push(entry);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use protocol::digest::Digest;
    use protocol::frame::encode_body;
    use protocol::index::{ListSummary, RequestEnvelope, Share};

    use super::*;

    fn list(files: &BTreeMap<String, u8>) -> ShareList {
        let mut list = ShareList::default();
        for (path, digest) in files {
            let digest = Digest::from_bytes([*digest; 32]);
            let record = FileRecord { path: path.clone(), size: 1, digest, share: Share::Complete };
            list.insert(record.into());
        }
        list
    }

    /// A minimal index.
    #[derive(Default)]
    struct ModelIndex(BTreeMap<String, FileRecord>);

    impl ModelIndex {
        fn apply(&mut self, request: Request) {
            match request {
                Request::Register { files } => {
                    self.0.extend(files.into_iter().map(|file| (file.path.clone(), file)));
                }
                Request::Unregister { paths } => paths.iter().for_each(|path| drop(self.0.remove(path))),
                other => panic!("{other:?}"),
            }
        }

        fn summary(&self) -> ListSummary {
            let mut summary = ListSummary::default();
            self.0.values().for_each(|file| summary.add(file));
            summary
        }
    }

    fn files() -> impl Strategy<Value = BTreeMap<String, u8>> {
        prop::collection::btree_map("[a-f]{1,2}", 0u8..3, 0..40)
    }

    proptest! {
        #[test]
        fn batches_turn_one_list_into_the_other(have in files(), want in files(), backwards: bool) {
            let (mut have, want) = (list(&have), list(&want));
            let mut model = ModelIndex::default();
            have.entries().iter().for_each(|entry| drop(model.0.insert(entry.path().to_owned(), entry.record().clone())));
            let mut batches = diff(&have, &want);
            if backwards {
                batches.reverse();
            }
            for batch in batches {
                batch.apply(&mut have);
                model.apply(batch.request());
            }
            prop_assert_eq!(have.summary(), want.summary());
            prop_assert_eq!(model.summary(), want.summary());
            prop_assert!(diff(&have, &want).is_empty());
            prop_assert!(model.0.values().eq(want.entries().iter().map(ShareEntry::record)));
        }
    }

    #[test]
    fn batches_keep_to_the_limits() {
        let long = |n: usize| format!("{n:04}/{}", vec!["x".repeat(250); 15].join("/"));
        for path in [(|n: usize| n.to_string()) as fn(usize) -> String, long] {
            let want = list(&(0..2500).map(|n| (path(n), 1)).collect());
            let batches = diff(&ShareList::default(), &want);
            assert!(batches.len() > 2);
            let mut files = 0;
            for batch in batches {
                let ShareBatch::Register(entries) = &batch else { panic!("{batch:?}") };
                assert!(entries.len() <= MAX_BATCH);
                files += entries.len();
                let bytes = encode_body(&RequestEnvelope { id: 1, request: batch.request() }).unwrap().len();
                assert!(bytes <= MAX_BATCH_BYTES + 100, "{bytes}");
            }
            assert_eq!(files, 2500);
        }
    }

    #[test]
    fn refused_file_is_removed_from_its_batch() {
        let want = list(&[("a".to_owned(), 1), ("b".to_owned(), 1)].into());
        let mut batch = diff(&ShareList::default(), &want).remove(0);
        assert!(batch.remove(|record| record.path == "c").is_none());
        assert_eq!(batch.remove(|record| record.path == "a").unwrap().path(), "a");
        assert!(!batch.is_empty());
        assert!(batch.remove(|record| record.path == "b").is_some());
        assert!(batch.is_empty());
    }
}
