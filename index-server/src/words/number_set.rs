//! A set of numbers: compact if small, fast if large.

mod bitmap;
mod containers;
mod intersection;

use std::num::NonZeroU32;

pub(crate) use bitmap::Bitmap;
use containers::Containers;

/// Minimum size of a set that is split into containers.
const MANY_MIN_LEN: usize = 512;
const _: () = assert!(MANY_MIN_LEN / 2 > 3, "a shrinking set does not skip a representation");

/// A sorted set of numbers. Most words occur in few names: sets of up to three numbers need no allocation.
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

/// Stores a number plus one, so that zero can represent `None`.
fn stored(number: u32) -> Option<NonZeroU32> {
    number.checked_add(1).and_then(NonZeroU32::new)
}

impl NumberSet {
    /// Returns the number of elements.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.iter().flatten().count(),
            Self::Some(list) => list.len(),
            Self::Many(containers) => containers.len,
        }
    }

    /// Inserts a number; ignores the highest possible one.
    pub(crate) fn insert(&mut self, number: u32) {
        match self {
            Self::Few(few) => {
                if few.contains(&stored(number)) {
                    return;
                }
                if let Some(free) = few.iter_mut().find(|slot| slot.is_none()) {
                    *free = stored(number);
                    return;
                }
                let mut list: Vec<u32> =
                    few.iter().flatten().map(|slot| slot.get() - 1).chain([number]).collect();
                list.sort_unstable();
                *self = Self::Some(list);
            }
            Self::Some(list) => {
                // New titles usually have the highest numbers.
                if list.last().is_none_or(|last| *last < number) {
                    list.push(number);
                } else if let Err(position) = list.binary_search(&number) {
                    list.insert(position, number);
                }
                debug_assert!(
                    list.binary_search(&number).is_ok()
                        && list.first() <= Some(&number)
                        && list.last() >= Some(&number),
                    "the numbers of a set are sorted"
                );
                if list.len() >= MANY_MIN_LEN {
                    let mut containers = Containers::default();
                    for number in list.iter() {
                        containers.insert(*number);
                    }
                    debug_assert_eq!(containers.len, list.len(), "splitting a set keeps its numbers");
                    *self = Self::Many(Box::new(containers));
                }
            }
            Self::Many(containers) => containers.insert(number),
        }
    }

    /// Inserts sorted numbers that are usually higher than all present ones.
    pub(super) fn append(&mut self, numbers: impl IntoIterator<Item = u32>) {
        let mut numbers = numbers.into_iter();
        if let Self::Many(containers) = self {
            containers.append(numbers);
            return;
        }
        while let Some(number) = numbers.next() {
            self.insert(number);
            if let Self::Many(containers) = self {
                containers.append(numbers);
                return;
            }
        }
    }

    /// Removes a number.
    pub(crate) fn remove(&mut self, number: u32) {
        match self {
            Self::Few(few) => {
                if let Some(slot) = few.iter_mut().find(|slot| slot.is_some() && **slot == stored(number)) {
                    *slot = None;
                }
            }
            Self::Some(list) => {
                if let Ok(position) = list.binary_search(&number) {
                    list.remove(position);
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
            Self::Many(containers) => {
                containers.remove(number);
                if containers.len < MANY_MIN_LEN / 2 {
                    let list = containers.list();
                    debug_assert!(list.is_sorted_by(|one, next| one < next) && list.len() == containers.len);
                    *self = Self::Some(list);
                }
            }
        }
    }

    /// Returns true if the set contains a number.
    pub(crate) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Few(few) => stored(number).is_some_and(|number| few.contains(&Some(number))),
            Self::Some(list) => list.binary_search(&number).is_ok(),
            Self::Many(containers) => containers.contains(number),
        }
    }

    /// Returns the lowest element from `number` on.
    pub(crate) fn next_from(&self, number: u32) -> Option<u32> {
        match self {
            Self::Few(few) => {
                few.iter().flatten().map(|slot| slot.get() - 1).filter(|other| *other >= number).min()
            }
            Self::Some(list) => list.get(list.partition_point(|other| *other < number)).copied(),
            Self::Many(containers) => containers.next_from(number),
        }
    }

    /// Appends all elements to a list, in order.
    pub(crate) fn list_into(&self, list: &mut Vec<u32>) {
        match self {
            Self::Few(_) => list.extend(self.iter()),
            Self::Some(numbers) => list.extend_from_slice(numbers),
            Self::Many(containers) => containers.list_into(list),
        }
    }

    /// Adds all elements to a bitmap.
    pub(crate) fn add_to(&self, bitmap: &mut Bitmap) {
        match self {
            Self::Few(few) => few.iter().flatten().for_each(|slot| bitmap.insert(slot.get() - 1)),
            Self::Some(list) => list.iter().for_each(|number| bitmap.insert(*number)),
            Self::Many(containers) => containers.add_to(bitmap),
        }
    }

    /// Iterates over the elements in order.
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
    fn number_set_takes_24_bytes() {
        assert_eq!(size_of::<NumberSet>(), 24);
    }

    /// Runs of numbers to insert or remove: dense ones, sparse ones, and across containers.
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
