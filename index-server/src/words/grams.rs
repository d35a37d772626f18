//! Which words contain which three characters in a row: how the words that contain a part are found.
//!
//! A word is taken with a mark at either end, so that its beginning and its end can be asked for like any other part.

use std::collections::{BTreeSet, HashMap};

use super::number_set::NumberSet;
use super::piece::{Piece, Stand};
use crate::keyed::Keyed;

/// Stands before and behind a word: no word contains it.
const EDGE: char = '\0';

/// Three characters in a row, of 21 bits each.
type Gram = u64;

const CHAR_BITS: u32 = 21;

/// The words of the rarest gram of a piece are looked for among those of no more of its other grams.
const MOST_SETS: usize = 3;

/// All grams of all words.
#[derive(Debug, Default)]
pub(super) struct Grams {
    words: HashMap<Gram, NumberSet, Keyed>,
    /// The same grams in order, for parts of two characters.
    order: BTreeSet<Gram>,
}

fn gram(chars: [char; 3]) -> Gram {
    chars.into_iter().fold(0, |gram, char| gram << CHAR_BITS | u64::from(u32::from(char)))
}

/// Returns the grams of some characters, in order.
fn grams(chars: impl Iterator<Item = char> + Clone) -> impl Iterator<Item = Gram> {
    let (second, third) = (chars.clone().skip(1), chars.clone().skip(2));
    chars.zip(second).zip(third).map(|((first, second), third)| gram([first, second, third]))
}

fn edged(word: &str) -> impl Iterator<Item = char> + Clone {
    std::iter::once(EDGE).chain(word.chars()).chain(std::iter::once(EDGE))
}

impl Grams {
    /// Returns how many different grams there are.
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// Enters a word.
    pub(super) fn insert(&mut self, word: &str, number: u32) {
        for gram in grams(edged(word)) {
            self.words
                .entry(gram)
                .or_insert_with(|| {
                    self.order.insert(gram);
                    NumberSet::default()
                })
                .insert(number);
        }
    }

    /// Strikes a word off.
    pub(super) fn remove(&mut self, word: &str, number: u32) {
        for gram in grams(edged(word)) {
            let Some(words) = self.words.get_mut(&gram) else { continue };
            words.remove(number);
            if words.len() == 0 {
                self.words.remove(&gram);
                self.order.remove(&gram);
            }
        }
    }

    /// Returns numbers of words, among which are all that contain a piece as it is to stand in them, and whether that is
    /// true of all of them; nothing if it is too short to look for, or there are more than `most`.
    pub(super) fn candidates(&self, piece: &Piece, most: usize) -> Option<(Vec<u32>, bool)> {
        let before = (piece.stand == Stand::Beginning).then_some(EDGE);
        let behind = (piece.stand == Stand::End).then_some(EDGE);
        let chars: Vec<char> = before.into_iter().chain(piece.text.chars()).chain(behind).collect();
        match *chars {
            [] | [_] => None,
            [first, second] => Some((self.with_pair([first, second], most)?, true)),
            _ => {
                let mut sets: Vec<Option<&NumberSet>> =
                    grams(chars.iter().copied()).map(|gram| self.words.get(&gram)).collect();
                sets.sort_unstable_by_key(|set| set.map_or(0, NumberSet::len));
                let (rarest, others) = sets.split_first()?;
                let Some(rarest) = rarest else { return Some((Vec::new(), true)) };
                if rarest.len() > most {
                    return None;
                }
                let mut found = Vec::with_capacity(rarest.len());
                rarest.list_into(&mut found);
                // A word lies somewhere in memory, the numbers of a set side by side.
                for other in others.iter().take(MOST_SETS).flatten() {
                    other.retain_in(&mut found);
                }
                Some((found, others.is_empty()))
            }
        }
    }

    /// Returns the sets of words that share a gram with a word, the smallest first.
    pub(super) fn sets_of(&self, word: &str) -> Vec<&NumberSet> {
        let mut sets: Vec<&NumberSet> = grams(edged(word)).filter_map(|gram| self.words.get(&gram)).collect();
        sets.sort_unstable_by_key(|set| set.len());
        sets
    }

    /// Returns the words in which two characters follow each other, if there are at most so many. That what ends a word
    /// cannot be the first half of a gram is why the end of a word is not looked for by one character.
    fn with_pair(&self, [first, second]: [char; 2], most: usize) -> Option<Vec<u32>> {
        if second == EDGE {
            return None;
        }
        let mut found = Vec::new();
        for gram in self.order.range(gram([first, second, EDGE])..=gram([first, second, char::MAX])) {
            let words = self.words.get(gram)?;
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
