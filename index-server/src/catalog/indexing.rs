//! What searches go by, and what follows from titles: their words, and the places of their contents in order.
//!
//! Both are entered with less work for many titles than for one. So they are put off, and entered together, in steps between
//! which others read. A title that goes in the meantime needs no care: it is not among those of any word.

use protocol::fold::fold;

use super::Catalog;
use super::sorted_runs::DigestKey;
use crate::ids::TitleNo;
use crate::words::WordBatch;

/// So many titles are indexed at a time, where nobody waits.
const BATCH_LEN: usize = 8192;

/// So many places of contents are moved in a step for each word that is entered in one: 2,048 where it is 128, at 5 ns each
/// (`perf`, five million files).
const KEYS_PER_WORD: usize = 16;

/// What is to be entered for new titles.
#[derive(Debug, Default)]
pub(crate) struct IndexBatch {
    words: WordBatch,
    digest_keys: Vec<DigestKey>,
}

impl IndexBatch {
    /// Adds what is to be entered for those of some titles that are still there.
    pub(crate) fn gather(&mut self, titles: &[TitleNo], catalog: &Catalog) {
        for number in titles {
            let Some(title) = catalog.titles.get(*number) else { continue };
            self.digest_keys.extend(catalog.contents.digest_key(title.content));
            if let Some(path) = catalog.names.path(title.name) {
                self.words.insert(&fold(path), number.0);
            }
        }
    }

    /// Puts what was added in order, to be entered.
    pub(crate) fn sort(&mut self) {
        self.digest_keys.sort_unstable();
        self.digest_keys.dedup();
        self.words.sort();
    }
}

impl Catalog {
    /// Returns the titles that are still to be indexed. They are to be [gathered](Fresh::gather) and
    /// [entered](Catalog::index) before any title changes.
    pub(crate) fn take_unindexed(&mut self) -> Vec<TitleNo> {
        std::mem::take(&mut self.unindexed)
    }

    /// Enters what was gathered and sorted, so many words of titles at most; says whether these were the last.
    pub(crate) fn index(&mut self, fresh: &mut IndexBatch, most: usize) -> bool {
        if !fresh.digest_keys.is_empty() {
            self.contents.add_keys(std::mem::take(&mut fresh.digest_keys));
            return false;
        }
        self.contents.merge_keys(most.saturating_mul(KEYS_PER_WORD))
            && fresh.words.flush_into(&mut self.words, most)
    }

    /// Indexes all titles that are still to be.
    pub(crate) fn index_all(&mut self) {
        let (titles, mut fresh) = (self.take_unindexed(), IndexBatch::default());
        for titles in titles.chunks(BATCH_LEN) {
            fresh.gather(titles, self);
            fresh.sort();
            while !self.index(&mut fresh, usize::MAX) {}
        }
    }
}
