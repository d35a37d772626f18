//! The order of search results that fit as well as each other, and the best of many without keeping them all.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::availability::Availability;
use crate::ids::{ContentNo, TitleNo};

/// A content's place among others that fit as well; less is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RankedHit {
    pub(crate) availability: Availability,
    pub(crate) content: ContentNo,
    /// The title that fits.
    pub(crate) title: TitleNo,
}

impl Ord for RankedHit {
    /// The most available first.
    fn cmp(&self, other: &Self) -> Ordering {
        let places = other.availability.rank().cmp(&self.availability.rank());
        places.then((self.content, self.title).cmp(&(other.content, other.title)))
    }
}

impl PartialOrd for RankedHit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first so many of whatever is offered.
#[derive(Debug)]
pub(crate) struct TopHits {
    /// The last of them on top; one more than wanted, to know whether there are more.
    heap: BinaryHeap<RankedHit>,
    limit: usize,
}

impl TopHits {
    pub(crate) fn new(wanted: usize) -> Self {
        Self { heap: BinaryHeap::new(), limit: wanted }
    }

    pub(crate) fn push(&mut self, place: RankedHit) {
        if self.heap.len() <= self.limit {
            self.heap.push(place);
        } else if let Some(mut last) = self.heap.peek_mut()
            && place < *last
        {
            *last = place;
        }
    }

    /// Returns the rank above which something must be to be among them.
    pub(crate) fn min_rank(&self) -> u64 {
        let is_full = self.heap.len() > self.limit;
        self.heap.peek().filter(|_| is_full).map_or(0, |last| last.availability.rank())
    }

    /// Returns them in order, with one more than wanted if there is one.
    pub(crate) fn into_sorted(self) -> Vec<RankedHit> {
        self.heap.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hit((whole, partial): (u32, u32), number: u32) -> RankedHit {
        let available = Availability { complete: whole, partial };
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
            let mut places: Vec<RankedHit> = all.into_iter().zip(0..).map(|(counts, no)| hit(counts, no)).collect();
            let mut best = TopHits::new(wanted);
            for place in &places {
                best.push(*place);
            }
            places.sort_unstable();
            places.truncate(wanted + 1);
            prop_assert_eq!(best.min_rank(), places.get(wanted).map_or(0, |last| last.availability.rank()));
            prop_assert_eq!(best.into_sorted(), places);
        }
    }
}
