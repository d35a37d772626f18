//! The set of titles that fulfil several requirements, computed for all titles at once.
//!
//! If requirements are common but rarely occur together, walking over the titles of one and looking each up in the others costs
//! a cache miss per title. Bitmaps are much faster. They are a snapshot: a title that changes meanwhile is checked by its name
//! when it is examined, and a new one is not found.

use crate::catalog::Catalog;
use crate::words::{Bitmap, NumberSet, WordNo};

/// A requirement of more than [`FEW_WORDS`] words takes part if it has at most this many times the titles of the smallest one:
/// setting a bit is much cheaper than examining a name.
const MAX_SIZE_RATIO: usize = 64;

/// Bits set in a bitmap for the cost of one step to the next title.
const BITS_PER_COST: usize = 64;

/// A requirement of at most this many words takes part however common they are.
const FEW_WORDS: usize = 8;

/// The titles that fulfil all requirements, complete once all words are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidates {
    /// Titles that fulfil the finished requirements; `None` if none is finished.
    intersection: Option<Bitmap>,
    /// Titles with one of the words of the current requirement added so far.
    current: Bitmap,
    /// The remaining words, the current requirement last.
    pending: Vec<Vec<WordNo>>,
}

impl Candidates {
    /// Starts an intersection; returns `None` if a requirement has fewer than `min_titles` titles, or only one is worthwhile.
    pub(super) fn intersect(
        mut requirements: Vec<Vec<WordNo>>,
        min_titles: usize,
        catalog: &Catalog,
    ) -> Option<Self> {
        let weight = |words: &Vec<WordNo>| words.iter().map(|word| count(*word, catalog)).sum::<usize>();
        let mut weighed: Vec<(usize, Vec<WordNo>)> =
            requirements.drain(..).map(|words| (weight(&words), words)).collect();
        // The smallest requirement bounds the result, so it determines which others are worth adding.
        weighed.sort_by_key(|(weight, _)| *weight);
        let smallest = weighed.first()?.0;
        let max_weight = smallest.saturating_mul(MAX_SIZE_RATIO);
        // A very common requirement excludes few titles and costs most; the names are checked anyway.
        weighed.retain(|(weight, words)| words.len() <= FEW_WORDS || *weight <= max_weight);
        if smallest < min_titles || weighed.len() < 2 {
            return None;
        }
        let pending = weighed.into_iter().map(|(_, words)| words).collect();
        Some(Self { intersection: None, current: Bitmap::default(), pending })
    }

    /// Adds more words until the budget is used up; returns true when all are added.
    pub(super) fn build(&mut self, catalog: &Catalog, budget: &mut usize) -> bool {
        while let Some(words) = self.pending.last_mut() {
            if *budget == 0 {
                return false;
            }
            // The requirement is complete: its titles are intersected with those of the earlier ones.
            let Some(word) = words.pop() else {
                self.pending.pop();
                self.end_requirement();
                continue;
            };
            // Charged before the work, because a single word may exceed what is left.
            *budget = budget.saturating_sub(1 + count(word, catalog) / BITS_PER_COST);
            if let Some(titles) = catalog.words().titles(word) {
                titles.add_to(&mut self.current);
            }
        }
        true
    }

    fn end_requirement(&mut self) {
        match &mut self.intersection {
            Some(intersection) => {
                intersection.intersect(&self.current);
                // Cleared instead of dropped, to reuse its memory for the next requirement.
                self.current.clear();
            }
            none => *none = Some(std::mem::take(&mut self.current)),
        }
    }

    /// Returns the lowest title number from `number` on that fulfils all requirements.
    pub(super) fn next_from(&self, number: u32) -> Option<u32> {
        self.intersection.as_ref()?.next_from(number)
    }
}

fn count(word: WordNo, catalog: &Catalog) -> usize {
    catalog.words().titles(word).map_or(0, NumberSet::len)
}
