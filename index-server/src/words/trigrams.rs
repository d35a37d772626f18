//! Finds words by the trigrams (three consecutive characters) they contain.
//!
//! A word gets a marker at either end, so that its start and end can be looked up like any other part.

use std::collections::{BTreeSet, HashMap};

use super::number_set::NumberSet;
use super::word_pattern::{PatternPosition, WordPattern};
use crate::keyed_hash::KeyedState;

/// The marker at both ends of a word: no word contains it.
const EDGE: char = '\0';

/// Three consecutive characters of 21 bits each.
type Trigram = u64;

const CHAR_BITS: u32 = 21;

/// Maximum number of other trigrams used to narrow down the words of the rarest trigram.
const MAX_SETS: usize = 3;

/// All trigrams of all words.
#[derive(Debug, Default)]
pub(super) struct TrigramIndex {
    word_sets: HashMap<Trigram, NumberSet, KeyedState>,
    /// The same trigrams in order, for lookups of two characters.
    sorted: BTreeSet<Trigram>,
}

fn trigram(chars: [char; 3]) -> Trigram {
    chars.into_iter().fold(0, |gram, char| gram << CHAR_BITS | u64::from(u32::from(char)))
}

/// Returns the trigrams of some characters, in order.
fn trigrams_of(chars: impl Iterator<Item = char> + Clone) -> impl Iterator<Item = Trigram> {
    let (second, third) = (chars.clone().skip(1), chars.clone().skip(2));
    chars.zip(second).zip(third).map(|((first, second), third)| trigram([first, second, third]))
}

fn with_edges(word: &str) -> impl Iterator<Item = char> + Clone {
    std::iter::once(EDGE).chain(word.chars()).chain(std::iter::once(EDGE))
}

impl TrigramIndex {
    /// Returns the number of distinct trigrams.
    pub(super) fn len(&self) -> usize {
        self.word_sets.len()
    }

    /// Inserts a word.
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

    /// Removes a word.
    pub(super) fn remove(&mut self, word: &str, number: u32) {
        for gram in trigrams_of(with_edges(word)) {
            // A word may contain a trigram twice.
            let Some(words) = self.word_sets.get_mut(&gram) else { continue };
            words.remove(number);
            if words.len() == 0 {
                self.word_sets.remove(&gram);
                self.sorted.remove(&gram);
            }
        }
    }

    /// Returns words that include all matches of a pattern, and whether all of them match; `None` if the pattern is too short,
    /// or if there are more than `limit`.
    pub(super) fn candidates(&self, pattern: &WordPattern, limit: usize) -> Option<(Vec<u32>, bool)> {
        let before = (pattern.position == PatternPosition::Beginning).then_some(EDGE);
        let behind = (pattern.position == PatternPosition::End).then_some(EDGE);
        let chars: Vec<char> = before.into_iter().chain(pattern.text.chars()).chain(behind).collect();
        match *chars {
            [] | [_] => None,
            [first, second] => Some((self.words_with_pair([first, second], limit)?, true)),
            _ => {
                let mut sets: Vec<Option<&NumberSet>> =
                    trigrams_of(chars.iter().copied()).map(|gram| self.word_sets.get(&gram)).collect();
                sets.sort_unstable_by_key(|set| set.map_or(0, NumberSet::len));
                let (rarest, others) = sets.split_first()?;
                let Some(rarest) = rarest else { return Some((Vec::new(), true)) };
                if rarest.len() > limit {
                    return None;
                }
                let mut found = Vec::with_capacity(rarest.len());
                rarest.list_into(&mut found);
                // Filter by the sets first: checking the words themselves costs a cache miss each.
                for other in others.iter().take(MAX_SETS).flatten() {
                    other.retain_in(&mut found);
                }
                Some((found, others.is_empty()))
            }
        }
    }

    /// Returns the sets of words for each trigram of a word, the smallest first.
    pub(super) fn sets_sharing_with(&self, word: &str) -> Vec<&NumberSet> {
        let mut sets: Vec<&NumberSet> =
            trigrams_of(with_edges(word)).filter_map(|gram| self.word_sets.get(&gram)).collect();
        sets.sort_unstable_by_key(|set| set.len());
        sets
    }

    /// Returns the words that contain two consecutive characters, if there are at most `limit`. The end of a word cannot be
    /// looked up by a single character, since no trigram has the end marker in second place.
    fn words_with_pair(&self, [first, second]: [char; 2], limit: usize) -> Option<Vec<u32>> {
        if second == EDGE {
            return None;
        }
        let mut found = Vec::new();
        for gram in self.sorted.range(trigram([first, second, EDGE])..=trigram([first, second, char::MAX])) {
            let words = self.word_sets.get(gram)?;
            if found.len() + words.len() > limit {
                return None;
            }
            words.list_into(&mut found);
        }
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}
