//! The order of search results that fit as well as each other, and the best of many without keeping them all.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use protocol::index::Share;

use crate::catalog::{ContentNo, TitleNo};

/// How many households of nodes that are there have a content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Availability {
    pub(crate) whole: u32,
    pub(crate) partial: u32,
}

impl Availability {
    /// Returns the count of one share.
    pub(crate) const fn of(&mut self, share: Share) -> &mut u32 {
        match share {
            Share::Whole => &mut self.whole,
            Share::Partial => &mut self.partial,
        }
    }

    /// Returns a number that is higher for what is more available: whole sources count first, then partial ones.
    pub(crate) fn rank(self) -> u64 {
        u64::from(self.whole) << 32 | u64::from(self.partial)
    }
}

/// A content's place among others that fit as well; less is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) available: Availability,
    pub(crate) content: ContentNo,
    /// The title that fits.
    pub(crate) title: TitleNo,
}

impl Ord for Place {
    /// The most available first.
    fn cmp(&self, other: &Self) -> Ordering {
        let places = other.available.rank().cmp(&self.available.rank());
        places.then((self.content, self.title).cmp(&(other.content, other.title)))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first so many of whatever is offered.
#[derive(Debug)]
pub(crate) struct Best {
    /// The last of them on top; one more than wanted, to know whether there are more.
    heap: BinaryHeap<Place>,
    wanted: usize,
}

impl Best {
    pub(crate) fn new(wanted: usize) -> Self {
        Self { heap: BinaryHeap::new(), wanted }
    }

    pub(crate) fn offer(&mut self, place: Place) {
        if self.heap.len() <= self.wanted {
            self.heap.push(place);
        } else if let Some(mut last) = self.heap.peek_mut()
            && place < *last
        {
            *last = place;
        }
    }

    /// Returns the rank above which something must be to be among them.
    pub(crate) fn floor(&self) -> u64 {
        let is_full = self.heap.len() > self.wanted;
        self.heap.peek().filter(|_| is_full).map_or(0, |last| last.available.rank())
    }

    /// Returns them in order, with one more than wanted if there is one.
    pub(crate) fn into_places(self) -> Vec<Place> {
        self.heap.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place((whole, partial): (u32, u32), number: u32) -> Place {
        let available = Availability { whole, partial };
        Place { available, content: ContentNo(number), title: TitleNo(number) }
    }

    #[test]
    fn whole_sources_outweigh_any_number_of_partial_ones() {
        assert!(place((2, 0), 1) < place((1, 1000), 0));
        assert!(place((1, 2), 1) < place((1, 1), 0));
        assert!(place((1, 1), 0) < place((1, 1), 1));
    }

    proptest! {
        #[test]
        fn the_best_are_those_that_come_first_in_order(
            all in prop::collection::vec((0u32..4, 0u32..4), 0..60),
            wanted in 1usize..10,
        ) {
            let mut places: Vec<Place> = all.into_iter().zip(0..).map(|(counts, no)| place(counts, no)).collect();
            let mut best = Best::new(wanted);
            for place in &places {
                best.offer(*place);
            }
            places.sort_unstable();
            places.truncate(wanted + 1);
            prop_assert_eq!(best.floor(), places.get(wanted).map_or(0, |last| last.available.rank()));
            prop_assert_eq!(best.into_places(), places);
        }
    }
}
