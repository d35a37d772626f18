//! Ranks equally matching search results by availability, and selects the top ones without keeping all.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::availability::Availability;
use crate::ids::{ContentNo, TitleNo};

/// A hit's position among equally matching hits; lower comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RankedHit {
    pub(crate) availability: Availability,
    pub(crate) content: ContentNo,
    /// The matching title.
    pub(crate) title: TitleNo,
}

impl Ord for RankedHit {
    /// Orders the most available first.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_rank = other.availability.rank().cmp(&self.availability.rank());
        by_rank.then((self.content, self.title).cmp(&(other.content, other.title)))
    }
}

impl PartialOrd for RankedHit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The top hits among all that are pushed.
#[derive(Debug)]
pub(crate) struct TopHits {
    /// A heap with the last hit on top; holds one more than the limit, to know whether there are more.
    heap: BinaryHeap<RankedHit>,
    limit: usize,
}

impl TopHits {
    pub(crate) fn new(limit: usize) -> Self {
        Self { heap: BinaryHeap::new(), limit }
    }

    pub(crate) fn push(&mut self, hit: RankedHit) {
        if self.heap.len() <= self.limit {
            self.heap.push(hit);
        } else if let Some(mut last) = self.heap.peek_mut()
            && hit < *last
        {
            *last = hit;
        }
        debug_assert!(self.heap.len() <= self.limit + 1, "more hits are kept than wanted");
    }

    /// Returns the rank that a hit must exceed to be among the top hits.
    pub(crate) fn min_rank(&self) -> u64 {
        let is_full = self.heap.len() > self.limit;
        self.heap.peek().filter(|_| is_full).map_or(0, |last| last.availability.rank())
    }

    /// Returns the hits in order, including one beyond the limit if there is one.
    pub(crate) fn into_sorted(self) -> Vec<RankedHit> {
        self.heap.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hit((complete, partial): (u32, u32), number: u32) -> RankedHit {
        let available = Availability { complete, partial };
        RankedHit { availability: available, content: ContentNo(number), title: TitleNo(number) }
    }

    #[test]
    fn complete_sources_outrank_partial_ones() {
        assert!(hit((2, 0), 1) < hit((1, 1000), 0));
        assert!(hit((1, 2), 1) < hit((1, 1), 0));
        assert!(hit((1, 1), 0) < hit((1, 1), 1));
    }

    proptest! {
        #[test]
        fn top_hits_are_the_first_in_order(
            all in prop::collection::vec((0u32..4, 0u32..4), 0..60),
            wanted in 1usize..10,
        ) {
            let mut hits: Vec<RankedHit> = all.into_iter().zip(0..).map(|(counts, no)| hit(counts, no)).collect();
            let mut best = TopHits::new(wanted);
            for hit in &hits {
                best.push(*hit);
            }
            hits.sort_unstable();
            hits.truncate(wanted + 1);
            prop_assert_eq!(best.min_rank(), hits.get(wanted).map_or(0, |last| last.availability.rank()));
            prop_assert_eq!(best.into_sorted(), hits);
        }
    }
}
