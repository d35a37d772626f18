//! Suggests words with a spelling similar to a word that does not occur.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{NumberSet, PatternPosition, WordIndex, WordPattern};
use crate::keyed_hash::KeyedState;

/// Maximum number of trigram entries examined for one word; rare trigrams come first.
const MAX_ENTRIES: usize = 16_384;

/// Maximum number of words compared by edit distance; those sharing the most trigrams come first.
const MAX_COMPARED: usize = 256;

/// Minimum and maximum length of a word to correct, in characters.
const MIN_LEN: usize = 3;
const MAX_LEN: usize = 40;

/// Minimum length of a word that may have two edits; a shorter one may have one.
const TWO_EDITS_MIN_LEN: usize = 6;

impl WordIndex {
    /// Returns true if a word of some name contains a text. A text too common to look up does.
    pub(crate) fn occurs(&self, text: &str) -> bool {
        let piece = WordPattern { text: text.to_owned(), position: PatternPosition::Inside };
        self.find(&piece, MAX_COMPARED).is_none_or(|words| !words.is_empty())
    }

    /// Returns up to `limit` words with a similar spelling: those with the fewest edits first, and among these the most common
    /// ones.
    pub(crate) fn similar_words(&self, word: &str, limit: usize) -> Vec<String> {
        let letters: Vec<char> = word.chars().take(MAX_LEN + 1).collect();
        if !(MIN_LEN..=MAX_LEN).contains(&letters.len()) {
            return Vec::new();
        }
        let max_edits = if letters.len() >= TWO_EDITS_MIN_LEN { 2 } else { 1 };
        let rank = |number: u32| {
            let text = self.table.text(number)?;
            let other: Vec<char> = text.chars().take(MAX_LEN + 3).collect();
            let distance = edit_distance(&letters, &other, max_edits)?;
            let names = self.table.get(number).map_or(0, NumberSet::len);
            Some((distance, Reverse(names), String::from(&**text)))
        };
        let mut similar: Vec<_> = self.words_sharing_trigrams(word).into_iter().filter_map(rank).collect();
        similar.sort_unstable();
        similar.into_iter().map(|(_, _, text)| text).take(limit).collect()
    }

    /// Returns the words that share the most trigrams with a word.
    fn words_sharing_trigrams(&self, word: &str) -> Vec<u32> {
        let (mut shared, mut listed) = (HashMap::<u32, u32, KeyedState>::default(), Vec::new());
        let mut remaining = MAX_ENTRIES;
        for set in self.trigrams.sets_sharing_with(word) {
            let Some(rest) = remaining.checked_sub(set.len()) else { break };
            remaining = rest;
            listed.clear();
            set.list_into(&mut listed);
            for number in &listed {
                *shared.entry(*number).or_default() += 1;
            }
        }
        let mut ranked: Vec<(Reverse<u32>, u32)> =
            shared.into_iter().map(|(number, count)| (Reverse(count), number)).collect();
        if ranked.len() > MAX_COMPARED {
            ranked.select_nth_unstable(MAX_COMPARED);
            ranked.truncate(MAX_COMPARED);
        }
        ranked.into_iter().map(|(_, number)| number).collect()
    }
}

/// Returns the edit distance of two words (insertion, deletion, substitution, or transposition of adjacent letters), if it is
/// at most `limit`.
fn edit_distance(one: &[char], other: &[char], limit: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > limit {
        return None;
    }
    // Damerau-Levenshtein with three rows; stops early once all values of a row exceed the limit.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = Vec::with_capacity(last.len());
        next.push(row + 1);
        for (column, other_letter) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut fewest = at(&last, column) + usize::from(letter != other_letter);
            fewest = fewest.min(at(&last, column + 1) + 1).min(at(&next, column) + 1);
            let is_transposition = row > 0
                && column > 0
                && one.get(row - 1) == Some(other_letter)
                && other.get(column - 1) == Some(letter);
            if is_transposition {
                fewest = fewest.min(at(&before_last, column - 1) + 1);
            }
            next.push(fewest);
        }
        if next.iter().all(|edits| *edits > limit) {
            return None;
        }
        before_last = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|edits| *edits <= limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edits(one: &str, other: &str) -> Option<usize> {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        edit_distance(&letters(one), &letters(other), 2)
    }

    #[test]
    fn edits_are_counted() {
        for (one, other, expected) in [
            ("ubuntu", "ubuntu", Some(0)),
            ("ubunto", "ubuntu", Some(1)),
            ("ubutnu", "ubuntu", Some(1)),
            ("ubunt", "ubuntu", Some(1)),
            ("uubuntuu", "ubuntu", Some(2)),
            ("debian", "ubuntu", None),
            ("", "abc", None),
            ("日本", "日木", Some(1)),
        ] {
            assert_eq!(edits(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn closest_and_most_used_words_come_first() {
        let mut words = WordIndex::default();
        for (title, number) in
            ["ubuntu iso", "ubuntu server", "ubunty", "kubuntu", "debian", "cat"].iter().zip(0..)
        {
            words.insert(title, number);
        }
        assert_eq!(words.similar_words("ubunto", 5), ["ubuntu", "ubunty", "kubuntu"]);
        assert_eq!(words.similar_words("ubunto", 1), ["ubuntu"]);
        assert_eq!(words.similar_words("debain", 5), ["debian"]);
        assert_eq!(
            words.similar_words("cta", 5),
            Vec::<String>::new(),
            "it shares too few trigrams to be found"
        );
        assert_eq!(words.similar_words("ca", 5), Vec::<String>::new());
        assert!(words.occurs("bunt") && !words.occurs("ubunto"));
    }

    #[test]
    fn comparison_with_many_similar_words_is_bounded() {
        let mut words = WordIndex::default();
        for number in 0..30_000 {
            words.insert(&format!("common{number:05}"), number);
        }
        assert!(words.similar_words("commen", 5).len() <= 5);
        assert!(words.similar_words("common0000x", 5).iter().all(|word| word.starts_with("common")));
    }

    proptest! {
        #[test]
        fn edit_in_a_long_word_is_found(word in "[a-z]{7,12}", at in 0_usize..7, letter in "[a-z]") {
            let mut words = WordIndex::default();
            words.insert(&word, 0);
            words.insert("something else", 1);
            let mut slip = word.clone();
            slip.replace_range(at..=at, &letter);
            prop_assert_eq!(words.similar_words(&slip, 1), [word]);
        }

        #[test]
        fn no_word_panics(word in any::<String>(), other in any::<String>()) {
            let mut words = WordIndex::default();
            words.insert(&other, 0);
            let _ = (words.similar_words(&word, 3), words.occurs(&word), edits(&word, &other));
        }
    }
}
