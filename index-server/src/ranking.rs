//! The order of search results, and the best of many without keeping them all.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use protocol::digest::Digest;
use protocol::index::SearchCursor;

use crate::catalog::ContentNo;

/// How many nodes that are there have a content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Availability {
    pub(crate) whole: u32,
    pub(crate) partial: u32,
}

impl Availability {
    /// Returns a number that is higher for what is more available: whole sources count first, then partial ones.
    pub(crate) fn rank(self) -> u64 {
        u64::from(self.whole) << 32 | u64::from(self.partial)
    }
}

/// A content's place in the results; less is earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) available: Availability,
    pub(crate) digest: Digest,
    pub(crate) content: ContentNo,
}

impl Place {
    /// Returns where a page that ends with this content is continued.
    pub(crate) fn cursor(&self) -> SearchCursor {
        SearchCursor { rank: self.available.rank(), digest: self.digest }
    }

    /// Says whether the content comes after the end of a page.
    pub(crate) fn is_after(&self, cursor: &SearchCursor) -> bool {
        order((self.available.rank(), &self.digest), (cursor.rank, &cursor.digest)).is_gt()
    }
}

/// The most available first, and the lowest digest first among those that are as available.
fn order(one: (u64, &Digest), other: (u64, &Digest)) -> Ordering {
    other.0.cmp(&one.0).then(one.1.cmp(other.1))
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let places = order((self.available.rank(), &self.digest), (other.available.rank(), &other.digest));
        places.then(self.content.cmp(&other.content))
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

    /// Returns them in order, and whether there were more.
    pub(crate) fn into_page(self) -> (Vec<Place>, bool) {
        let mut places = self.heap.into_sorted_vec();
        let more = places.len() > self.wanted;
        places.truncate(self.wanted);
        (places, more)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place((whole, partial, digest): (u32, u32, u8), content: u32) -> Place {
        let available = Availability { whole, partial };
        Place { available, digest: Digest::from_bytes([digest; 32]), content: ContentNo(content) }
    }

    #[test]
    fn whole_sources_outweigh_any_number_of_partial_ones() {
        assert!(place((2, 0, 9), 0) < place((1, 1000, 0), 1));
        assert!(place((1, 2, 9), 0) < place((1, 1, 0), 1));
        assert!(place((1, 1, 0), 0) < place((1, 1, 9), 1));
    }

    proptest! {
        #[test]
        fn pages_end_to_end_are_everything_in_order(
            all in prop::collection::btree_map(any::<u8>(), (0u32..4, 0u32..4), 0..60),
            wanted in 1usize..10,
        ) {
            let places: Vec<Place> =
                all.into_iter().zip(0..).map(|((d, (w, p)), no)| place((w, p, d), no)).collect();
            let (mut after, mut got) = (None::<SearchCursor>, Vec::new());
            loop {
                let mut best = Best::new(wanted);
                for place in places.iter().filter(|place| after.is_none_or(|after| place.is_after(&after))) {
                    best.offer(*place);
                }
                let (page, more) = best.into_page();
                after = page.last().map(Place::cursor).or(after);
                prop_assert!(page.len() <= wanted);
                got.extend(page);
                if !more {
                    break;
                }
            }
            let mut sorted = places;
            sorted.sort_unstable();
            prop_assert_eq!(got, sorted);
        }
    }
}
