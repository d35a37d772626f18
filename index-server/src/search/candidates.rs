//! The titles that contain a word of each of several requirements, worked out for all titles at once.
//!
//! Where requirements are common and rarely occur in one title, walking over the titles of one and looking each up in the
//! others costs a cache miss per title. Bitmaps cost a few microseconds per word and million titles. They are a snapshot: a
//! title that changes meanwhile is judged by its name when it is looked at, and one that is new is not found.

use crate::catalog::Catalog;
use crate::words::{Bitmap, NumberSet, WordNo};

/// A requirement of more words than [`FEW_WORDS`] takes part if it has at most so many times the titles of the smallest one:
/// setting a bit costs a hundredth of the look at a name.
const MAX_SIZE_RATIO: usize = 64;

/// The bits of a word that are set in the time of a step to the next title.
const BITS_PER_COST: usize = 64;

/// A requirement of no more words than this takes part however common they are.
const FEW_WORDS: usize = 8;

/// The titles that fulfil all requirements, as soon as all words have been put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidates {
    /// Titles that fulfil the requirements that are done; none if that is none.
    intersection: Option<Bitmap>,
    /// Titles that contain one of the words of the current requirement that are done.
    current: Bitmap,
    /// What is still to be put in, the current requirement last.
    pending: Vec<Vec<WordNo>>,
}

impl Candidates {
    /// Begins to intersect requirements, unless one of them has fewer than `least` titles or only one is worth it.
    pub(super) fn intersect(
        mut requirements: Vec<Vec<WordNo>>,
        least: usize,
        catalog: &Catalog,
    ) -> Option<Self> {
        let weight = |words: &Vec<WordNo>| words.iter().map(|word| count(*word, catalog)).sum::<usize>();
        let mut weighed: Vec<(usize, Vec<WordNo>)> =
            requirements.drain(..).map(|words| (weight(&words), words)).collect();
        weighed.sort_by_key(|(weight, _)| *weight);
        let smallest = weighed.first()?.0;
        let most = smallest.saturating_mul(MAX_SIZE_RATIO);
        weighed.retain(|(weight, words)| words.len() <= FEW_WORDS || *weight <= most);
        if smallest < least || weighed.len() < 2 {
            return None;
        }
        let pending = weighed.into_iter().map(|(_, words)| words).collect();
        Some(Self { intersection: None, current: Bitmap::default(), pending })
    }

    /// Puts more words in until nothing is left of the budget; returns true if all are in.
    pub(super) fn build(&mut self, catalog: &Catalog, left: &mut usize) -> bool {
        while let Some(words) = self.pending.last_mut() {
            if *left == 0 {
                return false;
            }
            let Some(word) = words.pop() else {
                self.pending.pop();
                self.end_requirement();
                continue;
            };
            *left = left.saturating_sub(1 + count(word, catalog) / BITS_PER_COST);
            if let Some(titles) = catalog.words().titles(word) {
                titles.add_to(&mut self.current);
            }
        }
        true
    }

    fn end_requirement(&mut self) {
        match &mut self.intersection {
            Some(fulfilling) => {
                fulfilling.intersect(&self.current);
                self.current.clear();
            }
            none => *none = Some(std::mem::take(&mut self.current)),
        }
    }

    /// Returns the lowest number of a title not below another that fulfils all requirements.
    pub(super) fn next_from(&self, number: u32) -> Option<u32> {
        self.intersection.as_ref()?.next_from(number)
    }
}

fn count(word: WordNo, catalog: &Catalog) -> usize {
    catalog.words().titles(word).map_or(0, NumberSet::len)
}
