//! Gathers the words of many titles and groups them by word before they are indexed.

use super::WordIndex;
use super::word_pattern::words;

/// The words of some titles.
///
/// A title has about eight words, and each of them and its set is elsewhere in memory. So occurrences are gathered and grouped
/// by word; then each word is looked up once, and all its titles are appended together.
#[derive(Debug, Default)]
pub(crate) struct WordBatch {
    /// The words, concatenated.
    text: String,
    occurrences: Vec<WordOccurrence>,
}

/// The words of some titles in the order in which they are indexed.
#[derive(Debug)]
pub(crate) struct SortedWords {
    batch: WordBatch,
    /// How many occurrences are indexed already.
    flushed: usize,
}

/// One occurrence of a word.
#[derive(Debug, Clone, Copy)]
struct WordOccurrence {
    /// Sorts equal words together, and distinct words usually apart.
    sort_key: u32,
    title: u32,
    /// The position in the text of all words, in bytes.
    start: u32,
    end: u32,
}

impl WordOccurrence {
    /// Returns the position in the order in which words are indexed.
    fn position(&self) -> u64 {
        u64::from(self.sort_key) << 32 | u64::from(self.title)
    }

    fn word(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl WordBatch {
    /// Adds all words of a title's folded path.
    pub(crate) fn insert(&mut self, folded: &str, title: u32) {
        for word in words(folded) {
            let start = offset(&self.text);
            self.text.push_str(word);
            self.occurrences.push(WordOccurrence {
                sort_key: sort_key(word),
                title,
                start,
                end: offset(&self.text),
            });
        }
    }

    /// Returns the number of occurrences, and the length of their words in bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.occurrences.len(), self.text.len())
    }

    /// Sorts the occurrences by word, then by title.
    pub(crate) fn sort(mut self) -> SortedWords {
        self.occurrences.sort_unstable_by_key(WordOccurrence::position);
        SortedWords { batch: self, flushed: 0 }
    }

    /// Removes all words, but keeps the memory.
    fn clear(&mut self) {
        self.occurrences.clear();
        self.text.clear();
    }
}

impl SortedWords {
    /// Indexes up to `limit` further occurrences; returns true when all are done.
    pub(crate) fn flush_into(&mut self, words: &mut WordIndex, limit: usize) -> bool {
        let Self { batch: WordBatch { text, occurrences }, flushed } = self;
        let next = occurrences.get(*flushed..).unwrap_or_default();
        let next = next.get(..limit).unwrap_or(next);
        for same in
            next.chunk_by(|one, other| one.sort_key == other.sort_key && one.word(text) == other.word(text))
        {
            let number = same.first().and_then(|occurrence| words.number_of(occurrence.word(text)));
            debug_assert!(
                same.is_sorted_by_key(|occurrence| occurrence.title),
                "the titles of a word are sorted"
            );
            if let Some(titles) = number.and_then(|number| words.table.get_mut(number)) {
                titles.append(same.iter().map(|occurrence| occurrence.title));
            }
        }
        *flushed += next.len();
        debug_assert!(*flushed <= occurrences.len(), "more words are indexed than gathered");
        *flushed == occurrences.len()
    }

    /// Indexes all further occurrences; returns the empty batch, to reuse its memory.
    pub(super) fn flush_all_into(mut self, words: &mut WordIndex) -> WordBatch {
        self.flush_into(words, usize::MAX);
        let mut batch = self.batch;
        batch.clear();
        batch
    }
}

/// Returns the position of the next word.
fn offset(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// Mixes the length of a word and its first and last eight bytes. Words chosen to have equal keys are merely looked up more
/// often.
fn sort_key(word: &str) -> u32 {
    let bytes = word.as_bytes();
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let first = bytes.iter().take(8).fold(0, join);
    let last = if bytes.len() > 8 { bytes.iter().rev().take(8).fold(0, join) } else { 0 };
    let mixed = first.wrapping_add(last.rotate_left(29)).wrapping_add(bytes.len() as u64);
    u32::try_from(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_flushes_insert_every_word() {
        let (mut batch, mut words) = (WordBatch::default(), WordIndex::default());
        (0..10).for_each(|title| batch.insert(&format!("all some{} one{title}", title % 3), title));
        let mut batch = batch.sort();
        let last = (1..100).find(|_| batch.flush_into(&mut words, 4));
        assert_eq!(last, Some(8), "30 occurrences, 4 at a time");
        let titles = |text: &str| {
            let number = words.table.find(text).unwrap();
            words.table.get(number).unwrap().iter().collect::<Vec<_>>()
        };
        assert_eq!(titles("all"), (0..10).collect::<Vec<_>>());
        assert_eq!((titles("some2"), titles("one7")), (vec![2, 5, 8], vec![7]));
        assert!(batch.flush_into(&mut words, 4), "all words are indexed");
    }

    #[test]
    fn words_with_equal_sort_keys_stay_distinct() {
        let [one, other] = ["lonelytwainlonelyy", "lonelytwbinlonelyy"];
        assert_eq!(sort_key(one), sort_key(other));
        let (mut batch, mut words) = (WordBatch::default(), WordIndex::default());
        (0..10).for_each(|title| batch.insert(if title % 2 == 0 { one } else { other }, title));
        let mut batch = batch.sort();
        assert!(batch.flush_into(&mut words, usize::MAX));
        let titles = |text: &str| {
            let number = words.table.find(text).unwrap();
            words.table.get(number).unwrap().iter().collect::<Vec<_>>()
        };
        assert_eq!((titles(one), titles(other)), (vec![0, 2, 4, 6, 8], vec![1, 3, 5, 7, 9]));
    }
}
