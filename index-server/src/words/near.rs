//! Words that are spelled like one that does not occur: what may have been meant.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{NumberSet, Piece, Stand, Words};
use crate::keyed::Keyed;

/// The most entries of grams that are gone through for one word; those of rare grams come first.
const MOST_ENTRIES: usize = 16_384;

/// The most words that are compared letter by letter, those that share the most grams first.
const MOST_COMPARED: usize = 256;

/// The shortest and the longest word that anything is spelled like, in characters.
const SHORTEST: usize = 3;
const LONGEST: usize = 40;

/// A word of at least so many characters may have two slips in it, a shorter one has one.
const TWO_SLIPS: usize = 6;

impl Words {
    /// Returns whether some name contains a text as a part of a word. What is too common to be looked for does.
    pub(crate) fn occurs(&self, text: &str) -> bool {
        let piece = Piece { text: text.to_owned(), stand: Stand::Inside };
        self.find(&piece, MOST_COMPARED).is_none_or(|words| !words.is_empty())
    }

    /// Returns at most `most` words that are spelled like one: those with the fewest slips first, and of these the ones
    /// of most names.
    pub(crate) fn near(&self, word: &str, most: usize) -> Vec<String> {
        let letters: Vec<char> = word.chars().take(LONGEST + 1).collect();
        if !(SHORTEST..=LONGEST).contains(&letters.len()) {
            return Vec::new();
        }
        let slips = if letters.len() >= TWO_SLIPS { 2 } else { 1 };
        let rank = |number: u32| {
            let text = self.table.text(number)?;
            let other: Vec<char> = text.chars().take(LONGEST + 3).collect();
            let distance = distance(&letters, &other, slips)?;
            let names = self.table.get(number).map_or(0, NumberSet::len);
            Some((distance, Reverse(names), String::from(&**text)))
        };
        let mut near: Vec<_> = self.sharing(word).into_iter().filter_map(rank).collect();
        near.sort_unstable();
        near.into_iter().map(|(_, _, text)| text).take(most).collect()
    }

    /// Returns the words that share the most grams with one.
    fn sharing(&self, word: &str) -> Vec<u32> {
        let (mut shared, mut listed) = (HashMap::<u32, u32, Keyed>::default(), Vec::new());
        let mut left = MOST_ENTRIES;
        for set in self.grams.sets_of(word) {
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
        if ranked.len() > MOST_COMPARED {
            ranked.select_nth_unstable(MOST_COMPARED);
            ranked.truncate(MOST_COMPARED);
        }
        ranked.into_iter().map(|(_, number)| number).collect()
    }
}

/// Returns how many slips lie between two words (a letter too much, too few, another one, or two that changed places), if
/// there are at most so many.
fn distance(one: &[char], other: &[char], most: usize) -> Option<usize> {
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

    fn slips(one: &str, other: &str) -> Option<usize> {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        distance(&letters(one), &letters(other), 2)
    }

    #[test]
    fn slips_are_counted() {
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
            assert_eq!(slips(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_and_most_used_words_come_first() {
        let mut words = Words::default();
        for (title, number) in
            ["ubuntu iso", "ubuntu server", "ubunty", "kubuntu", "debian", "cat"].iter().zip(0..)
        {
            words.insert(title, number);
        }
        assert_eq!(words.near("ubunto", 5), ["ubuntu", "ubunty", "kubuntu"]);
        assert_eq!(words.near("ubunto", 1), ["ubuntu"]);
        assert_eq!(words.near("debain", 5), ["debian"]);
        assert_eq!(words.near("cta", 5), Vec::<String>::new(), "too little is left of it to be found");
        assert_eq!(words.near("ca", 5), Vec::<String>::new());
        assert!(words.occurs("bunt") && !words.occurs("ubunto"));
    }

    #[test]
    fn a_word_like_very_many_others_is_bounded() {
        let mut words = Words::default();
        for number in 0..30_000 {
            words.insert(&format!("common{number:05}"), number);
        }
        assert!(words.near("commen", 5).len() <= 5);
        assert!(words.near("common0000x", 5).iter().all(|word| word.starts_with("common")));
    }

    proptest! {
        #[test]
        fn a_slip_in_a_long_word_is_found(word in "[a-z]{7,12}", at in 0_usize..7, letter in "[a-z]") {
            let mut words = Words::default();
            words.insert(&word, 0);
            words.insert("something else", 1);
            let mut slip = word.clone();
            slip.replace_range(at..=at, &letter);
            prop_assert_eq!(words.near(&slip, 1), [word]);
        }

        #[test]
        fn no_word_panics(word in any::<String>(), other in any::<String>()) {
            let mut words = Words::default();
            words.insert(&other, 0);
            let _ = (words.near(&word, 3), words.occurs(&word), slips(&word, &other));
        }
    }
}
