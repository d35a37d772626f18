//! Words of many titles, put together word by word before they are entered.

use super::WordIndex;
use super::word_pattern::words;

/// Words and the titles in which they stand.
///
/// A title has eight words, each of which lies elsewhere in memory, and so does its set. So places where words stand are
/// gathered and put together word by word; then each word is looked for once, and its titles appended all at once.
#[derive(Debug, Default)]
pub(crate) struct WordBatch {
    /// The words, one behind the other.
    text: String,
    occurrences: Vec<WordOccurrence>,
    /// How many of them were entered already, once they are in order.
    flushed: usize,
}

/// Where a word stands.
#[derive(Debug, Clone, Copy)]
struct WordOccurrence {
    /// Brings the same words together, most of the time.
    sort_key: u32,
    title: u32,
    /// In the text of all words, in bytes.
    start: u32,
    end: u32,
}

impl WordOccurrence {
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

    /// Says how many places there are, and how many bytes of words.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.occurrences.len(), self.text.len())
    }

    /// Puts what was added in order, to be entered.
    pub(crate) fn sort(&mut self) {
        self.occurrences
            .sort_unstable_by_key(|place| u64::from(place.sort_key) << 32 | u64::from(place.title));
        self.flushed = 0;
    }

    /// Enters the titles of the next places, so many at most; says whether these were the last, and then nothing is left.
    pub(crate) fn flush_into(&mut self, words: &mut WordIndex, most: usize) -> bool {
        let Self { text, occurrences: places, flushed: entered } = self;
        let next = places.get(*entered..).unwrap_or_default();
        let next = next.get(..most).unwrap_or(next);
        for same in
            next.chunk_by(|one, other| one.sort_key == other.sort_key && one.word(text) == other.word(text))
        {
            let number = same.first().and_then(|place| words.number_of(place.word(text)));
            if let Some(titles) = number.and_then(|number| words.table.get_mut(number)) {
                titles.append(same.iter().map(|place| place.title));
            }
        }
        *entered += next.len();
        if *entered < places.len() {
            return false;
        }
        places.clear();
        text.clear();
        *entered = 0;
        true
    }
}

/// Returns where the next word stands.
fn offset(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// Mixes the length of a word and its first and last eight bytes. Whoever chooses words of the same mark achieves that
/// they are looked for more often.
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
        let (mut gathered, mut words) = (WordBatch::default(), WordIndex::default());
        (0..10).for_each(|title| gathered.insert(&format!("all some{} one{title}", title % 3), title));
        gathered.sort();
        let last = (1..100).find(|_| gathered.flush_into(&mut words, 4));
        assert_eq!(last, Some(8), "30 places, 4 at a time");
        let titles = |text: &str| {
            let number = words.table.find(text).unwrap();
            words.table.get(number).unwrap().iter().collect::<Vec<_>>()
        };
        assert_eq!(titles("all"), (0..10).collect::<Vec<_>>());
        assert_eq!((titles("some2"), titles("one7")), (vec![2, 5, 8], vec![7]));
        assert!(gathered.flush_into(&mut words, 4), "nothing is left");
    }

    #[test]
    fn words_with_equal_sort_keys_stay_distinct() {
        let [one, other] = ["lonelytwainlonelyy", "lonelytwbinlonelyy"];
        assert_eq!(sort_key(one), sort_key(other));
        let (mut gathered, mut words) = (WordBatch::default(), WordIndex::default());
        (0..10).for_each(|title| gathered.insert(if title % 2 == 0 { one } else { other }, title));
        gathered.sort();
        assert!(gathered.flush_into(&mut words, usize::MAX));
        let titles = |text: &str| {
            let number = words.table.find(text).unwrap();
            words.table.get(number).unwrap().iter().collect::<Vec<_>>()
        };
        assert_eq!((titles(one), titles(other)), (vec![0, 2, 4, 6, 8], vec![1, 3, 5, 7, 9]));
    }
}
