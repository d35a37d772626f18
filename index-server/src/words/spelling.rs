//! Words that are spelled like one that does not occur: what may have been meant.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{NumberSet, PatternPosition, WordIndex, WordPattern};
use crate::keyed_hash::KeyedState;

/// The most entries of grams that are gone through for one word; those of rare grams come first.
const MAX_ENTRIES: usize = 16_384;

/// The most words that are compared letter by letter, those that share the most grams first.
const MAX_COMPARED: usize = 256;

/// The shortest and the longest word that anything is spelled like, in characters.
const MIN_LEN: usize = 3;
const MAX_LEN: usize = 40;

/// A word of at least so many characters may have two slips in it, a shorter one has one.
const TWO_EDITS_MIN_LEN: usize = 6;

impl WordIndex {
    /// Returns whether some name contains a text as a part of a word. What is too common to be looked for does.
    pub(crate) fn occurs(&self, text: &str) -> bool {
        let piece = WordPattern { text: text.to_owned(), position: PatternPosition::Inside };
        self.find(&piece, MAX_COMPARED).is_none_or(|words| !words.is_empty())
    }

    /// Returns at most `most` words that are spelled like one: those with the fewest slips first, and of these the ones
    /// of most names.
    pub(crate) fn similar_words(&self, word: &str, most: usize) -> Vec<String> {
        let letters: Vec<char> = word.chars().take(MAX_LEN + 1).collect();
        if !(MIN_LEN..=MAX_LEN).contains(&letters.len()) {
            return Vec::new();
        }
        let slips = if letters.len() >= TWO_EDITS_MIN_LEN { 2 } else { 1 };
        let rank = |number: u32| {
            let text = self.table.text(number)?;
            let other: Vec<char> = text.chars().take(MAX_LEN + 3).collect();
            let distance = edit_distance(&letters, &other, slips)?;
            let names = self.table.get(number).map_or(0, NumberSet::len);
            Some((distance, Reverse(names), String::from(&**text)))
        };
        let mut near: Vec<_> = self.words_sharing_trigrams(word).into_iter().filter_map(rank).collect();
        near.sort_unstable();
        near.into_iter().map(|(_, _, text)| text).take(most).collect()
    }

    /// Returns the words that share the most grams with one.
    fn words_sharing_trigrams(&self, word: &str) -> Vec<u32> {
        let (mut shared, mut listed) = (HashMap::<u32, u32, KeyedState>::default(), Vec::new());
        let mut left = MAX_ENTRIES;
        for set in self.trigrams.sets_sharing_with(word) {
            let Some(rest) = left.checked_sub(set.len()) else { break };
            left = rest;
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

/// Returns how many slips lie between two words (a letter too much, too few, another one, or two that changed places), if
/// there are at most so many.
fn edit_distance(one: &[char], other: &[char], most: usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = Vec::with_capacity(last.len());
        next.push(row + 1);
        for (column, other_letter) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut fewest = at(&last, column) + usize::from(letter != other_letter);
            fewest = fewest.min(at(&last, column + 1) + 1).min(at(&next, column) + 1);
            let have_changed_places = row > 0
                && column > 0
                && one.get(row - 1) == Some(other_letter)
                && other.get(column - 1) == Some(letter);
            if have_changed_places {
                fewest = fewest.min(at(&before, column - 1) + 1);
            }
            next.push(fewest);
        }
        if next.iter().all(|slips| *slips > most) {
            return None;
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|slips| *slips <= most)
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
            "too little is left of it to be found"
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
