//! Builds a word index from many titles at once.

use protocol::limits::MAX_PATH;

use super::WordIndex;
use super::word_batch::WordBatch;

/// Maximum number of word occurrences gathered before the title sets are updated: 8 MiB, plus about half as much text.
const MAX_BATCH_WORDS: usize = 1 << 19;

/// Maximum total length of these words in bytes.
const MAX_BATCH_BYTES: usize = 16 << 20;
const _: () =
    assert!(MAX_BATCH_BYTES + MAX_PATH * 4 < u32::MAX as usize, "positions in the text fit 32 bits");

/// Builds a word index from titles in order of their numbers. Gathering the words of many titles first is much faster than
/// looking them up one by one (docs/performance.md).
#[derive(Debug, Default)]
pub(crate) struct WordIndexBuilder {
    words: WordIndex,
    batch: WordBatch,
}

impl WordIndexBuilder {
    /// Inserts a title under all words of its folded path; its number must be higher than all before.
    pub(crate) fn insert(&mut self, folded: &str, title: u32) {
        self.batch.insert(folded, title);
        let (occurrences, bytes) = self.batch.size();
        if occurrences >= MAX_BATCH_WORDS || bytes >= MAX_BATCH_BYTES {
            self.flush_batch();
        }
    }

    /// Returns the index.
    pub(crate) fn finish(mut self) -> WordIndex {
        self.flush_batch();
        self.words
    }

    fn flush_batch(&mut self) {
        self.batch = std::mem::take(&mut self.batch).sort().flush_all_into(&mut self.words);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{PatternPosition, WordPattern, words};
    use super::*;

    proptest! {
        #[test]
        fn bulk_index_matches_one_by_one_insertion(
            titles in prop::collection::vec(("[abc]{1,3}( [abc]{1,3}|lonelytwinlonely|lonelytw[io]nlonely){0,6}", any::<bool>()), 0..200),
        ) {
            let (mut builder, mut model) = (WordIndexBuilder::default(), WordIndex::default());
            for ((title, enter), number) in titles.iter().zip(0..) {
                builder.insert(title, number);
                model.insert(title, number);
                if *enter {
                    builder.flush_batch();
                }
            }
            let filled = builder.finish();
            prop_assert_eq!(filled.table.len(), model.table.len());
            for text in titles.iter().flat_map(|(title, _)| words(title)) {
                let whole = WordPattern { text: text.to_owned(), position: PatternPosition::Whole };
                let titles = |words: &WordIndex| {
                    let word = words.find(&whole, usize::MAX)?.first().copied()?;
                    words.titles(word).map(|titles| titles.iter().collect::<Vec<_>>())
                };
                prop_assert!(titles(&model).is_some());
                prop_assert_eq!(titles(&filled), titles(&model));
                let part = WordPattern { position: PatternPosition::Inside, ..whole };
                let count = |words: &WordIndex| words.find(&part, usize::MAX).map(|words| words.len());
                prop_assert_eq!(count(&filled), count(&model));
            }
        }
    }
}
