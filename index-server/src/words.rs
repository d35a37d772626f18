//! The inverted index: all words, and which titles contain each.
//!
//! A million names have a few hundred thousand distinct words. So a part of a word is looked up among the words, by their
//! [trigrams](trigrams::TrigramIndex), and the titles of the matching words are combined; titles themselves are not split into
//! trigrams. The index is exact: a removal from the catalog takes effect immediately.

mod bulk_index;
mod number_set;
mod spelling;
mod trigrams;
mod word_batch;
mod word_pattern;

#[cfg(test)]
mod tests;

use crate::text_table::TextTable;
pub(crate) use bulk_index::WordIndexBuilder;
pub(crate) use number_set::{Bitmap, NumberSet};
use trigrams::TrigramIndex;
pub(crate) use word_batch::{SortedWords, WordBatch};
pub(crate) use word_pattern::{PatternPosition, WordPattern, words};

/// A word's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WordNo(pub(crate) u32);

/// All words of all titles.
#[derive(Debug, Default)]
pub(crate) struct WordIndex {
    table: TextTable<NumberSet>,
    trigrams: TrigramIndex,
}

impl WordIndex {
    /// Inserts a title under all words of its folded path.
    #[cfg(test)]
    pub(crate) fn insert(&mut self, folded: &str, title: u32) {
        for word in words(folded) {
            if let Some(titles) = self.number_of(word).and_then(|number| self.table.get_mut(number)) {
                titles.insert(title);
            }
        }
    }

    /// Returns a word's number, assigning one if the word is new.
    fn number_of(&mut self, word: &str) -> Option<u32> {
        let (number, is_new) = self.table.insert(word, NumberSet::default)?;
        if is_new {
            self.trigrams.insert(word, number);
        }
        Some(number)
    }

    /// Removes a title, if present; words without titles are removed too.
    pub(crate) fn remove(&mut self, folded: &str, title: u32) {
        for word in words(folded) {
            let Some(number) = self.table.find(word) else { continue };
            let Some(titles) = self.table.get_mut(number) else { continue };
            titles.remove(title);
            debug_assert!(!titles.contains(title), "a removed title is still in its word");
            if titles.len() == 0 {
                self.table.remove(number);
                self.trigrams.remove(word, number);
            }
        }
    }

    /// Returns the number of words.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns the bytes of all words.
    pub(crate) const fn text_bytes(&self) -> u64 {
        self.table.text_bytes()
    }

    /// Returns the number of distinct trigrams.
    pub(crate) fn trigram_count(&self) -> usize {
        self.trigrams.len()
    }

    /// Returns the titles that contain a word.
    pub(crate) fn titles(&self, word: WordNo) -> Option<&NumberSet> {
        self.table.get(word.0)
    }

    /// Returns the words that match a pattern; `None` if more than `limit` would have to be checked.
    pub(crate) fn find(&self, pattern: &WordPattern, limit: usize) -> Option<Vec<WordNo>> {
        if pattern.position == PatternPosition::Whole {
            return Some(self.table.find(&pattern.text).map(WordNo).into_iter().collect());
        }
        let (mut found, all_fit) = self.trigrams.candidates(pattern, limit)?;
        if !all_fit {
            self.table.prefetch_texts(&found);
            found.retain(|number| self.table.text(*number).is_some_and(|word| pattern.matches(word)));
        }
        Some(found.into_iter().map(WordNo).collect())
    }
}
