//! Adds new titles to the search indexes: their words, and the digest keys of their contents.
//!
//! Indexing many titles together is cheaper than one by one. So it is deferred and done in batches, in steps between which
//! others can read. Titles removed in the meantime are harmless: no word refers to them.

use protocol::fold::fold;

use super::Catalog;
use super::sorted_runs::{DigestKey, SortedRun};
use crate::ids::TitleNo;
use crate::words::{SortedWords, WordBatch};

/// Titles per batch where nobody waits for the lock.
const BATCH_LEN: usize = 8192;

/// Digest keys merged per step for each word entry of that step; moving a key is far cheaper than indexing a word.
const KEYS_PER_WORD: usize = 16;

/// Unsorted index entries for new titles.
#[derive(Debug, Default)]
pub(crate) struct IndexBatch {
    words: WordBatch,
    digest_keys: Vec<DigestKey>,
}

impl IndexBatch {
    /// Adds the entries of those titles that still exist.
    pub(crate) fn gather(&mut self, titles: &[TitleNo], catalog: &Catalog) {
        for number in titles {
            let Some(title) = catalog.titles.get(*number) else { continue };
            self.digest_keys.extend(catalog.contents.digest_key(title.content));
            if let Some(path) = catalog.names.path(title.name) {
                self.words.insert(&fold(path), number.0);
            }
        }
    }

    /// Sorts the entries, after which they can be indexed.
    pub(crate) fn sort(self) -> SortedIndexBatch {
        SortedIndexBatch { words: self.words.sort(), digest_keys: SortedRun::sort(self.digest_keys) }
    }
}

/// Sorted index entries for new titles, of which some may be indexed already.
#[derive(Debug)]
pub(crate) struct SortedIndexBatch {
    words: SortedWords,
    digest_keys: SortedRun,
}

impl Catalog {
    /// Returns the titles still to be indexed. The caller [gathers](IndexBatch::gather) and [indexes](Catalog::index) them
    /// before any title changes.
    pub(crate) fn take_unindexed(&mut self) -> Vec<TitleNo> {
        std::mem::take(&mut self.unindexed)
    }

    /// Indexes up to `max_words` word entries of a batch; returns true when the batch is done.
    pub(crate) fn index(&mut self, fresh: &mut SortedIndexBatch, max_words: usize) -> bool {
        if !fresh.digest_keys.is_empty() {
            self.contents.add_keys(std::mem::take(&mut fresh.digest_keys));
            return false;
        }
        self.contents.merge_keys(max_words.saturating_mul(KEYS_PER_WORD))
            && fresh.words.flush_into(&mut self.words, max_words)
    }

    /// Indexes all new titles.
    pub(crate) fn index_all(&mut self) {
        let titles = self.take_unindexed();
        for titles in titles.chunks(BATCH_LEN) {
            let mut fresh = IndexBatch::default();
            fresh.gather(titles, self);
            let mut fresh = fresh.sort();
            while !self.index(&mut fresh, usize::MAX) {}
        }
    }
}
