//! A set of numbers: small where few are in it, quick where many are.

mod bitmap;
mod containers;
mod intersection;

use std::num::NonZeroU32;

pub(crate) use bitmap::Bitmap;
use containers::Containers;

/// From so many numbers on, a set is cut into chunks.
const MANY_MIN_LEN: usize = 512;

/// A set of numbers in order. Most words stand in few names: up to three numbers take nothing beside the set itself.
#[derive(Debug)]
pub(crate) enum NumberSet {
    Few([Option<NonZeroU32>; 3]),
    Some(Vec<u32>),
    Many(Box<Containers>),
}

impl Default for NumberSet {
    fn default() -> Self {
        Self::Few([None; 3])
    }
}

/// Numbers are kept one higher, which leaves the zero for "none".
fn stored(number: u32) -> Option<NonZeroU32> {
    number.checked_add(1).and_then(NonZeroU32::new)
}

impl NumberSet {
    /// Says how many numbers are in.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.iter().flatten().count(),
            Self::Some(list) => list.len(),
            Self::Many(chunks) => chunks.len,
        }
    }

    /// Puts a number in; the highest possible one is left out.
    pub(crate) fn insert(&mut self, number: u32) {
        match self {
            Self::Few(few) => {
                if few.contains(&stored(number)) {
                    return;
                }
                if let Some(free) = few.iter_mut().find(|place| place.is_none()) {
                    *free = stored(number);
                    return;
                }
                let mut list: Vec<u32> =
                    few.iter().flatten().map(|place| place.get() - 1).chain([number]).collect();
                list.sort_unstable();
                *self = Self::Some(list);
            }
            Self::Some(list) => {
                // New titles have the highest numbers, mostly.
                if list.last().is_none_or(|last| *last < number) {
                    list.push(number);
                } else if let Err(place) = list.binary_search(&number) {
                    list.insert(place, number);
                }
                if list.len() >= MANY_MIN_LEN {
                    let mut chunks = Containers::default();
                    for number in list.iter() {
                        chunks.insert(*number);
                    }
                    *self = Self::Many(Box::new(chunks));
                }
            }
            Self::Many(chunks) => chunks.insert(number),
        }
    }

    /// Puts numbers in that are in order and, mostly, higher than those that are in.
    pub(super) fn append(&mut self, numbers: impl IntoIterator<Item = u32>) {
        let mut numbers = numbers.into_iter();
        if let Self::Many(chunks) = self {
            chunks.append(numbers);
            return;
        }
        while let Some(number) = numbers.next() {
            self.insert(number);
            if let Self::Many(chunks) = self {
                chunks.append(numbers);
                return;
            }
        }
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, number: u32) {
        match self {
            Self::Few(few) => {
                if let Some(place) = few.iter_mut().find(|place| place.is_some() && **place == stored(number))
                {
                    *place = None;
                }
            }
            Self::Some(list) => {
                if let Ok(place) = list.binary_search(&number) {
                    list.remove(place);
                }
                if list.len() <= 2 {
                    let mut few = Self::default();
                    for number in list.iter() {
                        few.insert(*number);
                    }
                    *self = few;
                } else if list.len() < list.capacity() / 4 {
                    list.shrink_to(list.len() * 2);
                }
            }
            Self::Many(chunks) => {
                chunks.remove(number);
                if chunks.len < MANY_MIN_LEN / 2 {
                    *self = Self::Some(chunks.list());
                }
            }
        }
    }

    /// Says whether a number is in.
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Few(few) => stored(number).is_some_and(|number| few.contains(&Some(number))),
            Self::Some(list) => list.binary_search(&number).is_ok(),
            Self::Many(chunks) => chunks.contains(number),
        }
    }

    /// Returns the lowest number that is in and not below another.
    pub(crate) fn next_from(&self, number: u32) -> Option<u32> {
        match self {
            Self::Few(few) => {
                few.iter().flatten().map(|place| place.get() - 1).filter(|other| *other >= number).min()
            }
            Self::Some(list) => list.get(list.partition_point(|other| *other < number)).copied(),
            Self::Many(chunks) => chunks.next_from(number),
        }
    }

    /// Adds all numbers to a list, in order.
    pub(crate) fn list_into(&self, list: &mut Vec<u32>) {
        match self {
            Self::Few(_) => list.extend(self.iter()),
            Self::Some(numbers) => list.extend_from_slice(numbers),
            Self::Many(chunks) => chunks.list_into(list),
        }
    }

    /// Puts all numbers into a bitmap.
    pub(crate) fn add_to(&self, bitmap: &mut Bitmap) {
        match self {
            Self::Few(few) => few.iter().flatten().for_each(|place| bitmap.insert(place.get() - 1)),
            Self::Some(list) => list.iter().for_each(|number| bitmap.insert(*number)),
            Self::Many(chunks) => chunks.add_to(bitmap),
        }
    }

    /// Walks over the numbers in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        let after = |number: &u32| number.checked_add(1).and_then(|next| self.next_from(next));
        std::iter::successors(self.next_from(0), after)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_is_small() {
        assert_eq!(size_of::<NumberSet>(), 24);
    }

    /// Runs of numbers to put in or take out: dense ones, sparse ones, and across chunks.
    fn runs() -> impl Strategy<Value = Vec<(bool, u32, u32, u32)>> {
        let start = prop_oneof![0_u32..200, 65_000_u32..66_000, 1_000_000_u32..1_200_000];
        prop::collection::vec((prop::bool::weighted(0.6), start, 1_u32..4000, 1_u32..70), 1..8)
    }

    proptest! {
        #[test]
        fn set_matches_a_btree_set(runs in runs(), probes in prop::collection::vec(0_u32..1_500_000, 20)) {
            let (mut set, mut model) = (NumberSet::default(), BTreeSet::new());
            for (put, start, count, step) in runs {
                let numbers = (0..count).map(|no| start + no * step);
                if put && step % 2 == 0 {
                    set.append(numbers.clone());
                    model.extend(numbers.clone());
                }
                for number in numbers {
                    if put { set.insert(number); model.insert(number); }
                    else { set.remove(number); model.remove(&number); }
                }
                prop_assert_eq!(set.len(), model.len());
                prop_assert!(set.iter().eq(model.iter().copied()));
            }
            for probe in probes {
                prop_assert_eq!(set.contains(probe), model.contains(&probe));
                prop_assert_eq!(set.next_from(probe), model.range(probe..).next().copied());
            }
        }
    }
}
