//! Which words contain which three characters in a row: how the words that contain a part are found.
//!
//! A word is taken with a mark at either end, so that its beginning and its end can be asked for like any other part.

use std::collections::{BTreeSet, HashMap};

use super::number_set::NumberSet;
use super::word_pattern::{PatternPosition, WordPattern};
use crate::keyed_hash::KeyedState;

/// Stands before and behind a word: no word contains it.
const EDGE: char = '\0';

/// Three characters in a row, of 21 bits each.
type Trigram = u64;

const CHAR_BITS: u32 = 21;

/// The words of the rarest gram of a piece are looked for among those of no more of its other grams.
const MAX_SETS: usize = 3;

/// All grams of all words.
#[derive(Debug, Default)]
pub(super) struct TrigramIndex {
    word_sets: HashMap<Trigram, NumberSet, KeyedState>,
    /// The same grams in order, for parts of two characters.
    sorted: BTreeSet<Trigram>,
}

fn trigram(chars: [char; 3]) -> Trigram {
    chars.into_iter().fold(0, |gram, char| gram << CHAR_BITS | u64::from(u32::from(char)))
}

/// Returns the grams of some characters, in order.
fn trigrams_of(chars: impl Iterator<Item = char> + Clone) -> impl Iterator<Item = Trigram> {
    let (second, third) = (chars.clone().skip(1), chars.clone().skip(2));
    chars.zip(second).zip(third).map(|((first, second), third)| trigram([first, second, third]))
}

fn with_edges(word: &str) -> impl Iterator<Item = char> + Clone {
    std::iter::once(EDGE).chain(word.chars()).chain(std::iter::once(EDGE))
}

impl TrigramIndex {
    /// Returns how many different grams there are.
    pub(super) fn len(&self) -> usize {
        self.word_sets.len()
    }

    /// Enters a word.
    pub(super) fn insert(&mut self, word: &str, number: u32) {
        for gram in trigrams_of(with_edges(word)) {
            self.word_sets
                .entry(gram)
                .or_insert_with(|| {
                    self.sorted.insert(gram);
                    NumberSet::default()
                })
                .insert(number);
        }
    }

    /// Strikes a word off.
    pub(super) fn remove(&mut self, word: &str, number: u32) {
        for gram in trigrams_of(with_edges(word)) {
            let Some(words) = self.word_sets.get_mut(&gram) else { continue };
            words.remove(number);
            if words.len() == 0 {
                self.word_sets.remove(&gram);
                self.sorted.remove(&gram);
            }
        }
    }

    /// Returns numbers of words, among which are all that contain a piece as it is to stand in them, and whether that is
    /// true of all of them; nothing if it is too short to look for, or there are more than `most`.
    pub(super) fn candidates(&self, piece: &WordPattern, most: usize) -> Option<(Vec<u32>, bool)> {
        let before = (piece.position == PatternPosition::Beginning).then_some(EDGE);
        let behind = (piece.position == PatternPosition::End).then_some(EDGE);
        let chars: Vec<char> = before.into_iter().chain(piece.text.chars()).chain(behind).collect();
        match *chars {
            [] | [_] => None,
            [first, second] => Some((self.words_with_pair([first, second], most)?, true)),
            _ => {
                let mut sets: Vec<Option<&NumberSet>> =
                    trigrams_of(chars.iter().copied()).map(|gram| self.word_sets.get(&gram)).collect();
                sets.sort_unstable_by_key(|set| set.map_or(0, NumberSet::len));
                let (rarest, others) = sets.split_first()?;
                let Some(rarest) = rarest else { return Some((Vec::new(), true)) };
                if rarest.len() > most {
                    return None;
                }
                let mut found = Vec::with_capacity(rarest.len());
                rarest.list_into(&mut found);
                // A word lies somewhere in memory, the numbers of a set side by side.
                for other in others.iter().take(MAX_SETS).flatten() {
                    other.retain_in(&mut found);
                }
                Some((found, others.is_empty()))
            }
        }
    }

    /// Returns the sets of words that share a gram with a word, the smallest first.
    pub(super) fn sets_sharing_with(&self, word: &str) -> Vec<&NumberSet> {
        let mut sets: Vec<&NumberSet> =
            trigrams_of(with_edges(word)).filter_map(|gram| self.word_sets.get(&gram)).collect();
        sets.sort_unstable_by_key(|set| set.len());
        sets
    }

    /// Returns the words in which two characters follow each other, if there are at most so many. That what ends a word
    /// cannot be the first half of a gram is why the end of a word is not looked for by one character.
    fn words_with_pair(&self, [first, second]: [char; 2], most: usize) -> Option<Vec<u32>> {
        if second == EDGE {
            return None;
        }
        let mut found = Vec::new();
        for gram in self.sorted.range(trigram([first, second, EDGE])..=trigram([first, second, char::MAX])) {
            let words = self.word_sets.get(gram)?;
            if found.len() + words.len() > most {
                return None;
            }
            words.list_into(&mut found);
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}
