//! Intersection of two sets.

use super::NumberSet;

impl NumberSet {
    /// Returns the lowest number from `number` on that is in both sets, or a lower number of this set from which the search
    /// continues.
    pub(crate) fn next_in_both(&self, other: &Self, number: u32) -> Option<u32> {
        if let (Self::Many(containers), Self::Many(others)) = (self, other) {
            return containers.next_in_both(others, number);
        }
        let own = self.next_from(number)?;
        let theirs = other.next_from(own)?;
        if own == theirs { Some(own) } else { self.next_from(theirs) }
    }

    /// Keeps only those numbers of a sorted list that are in the set.
    pub(crate) fn retain_in(&self, list: &mut Vec<u32>) {
        match self {
            Self::Few(_) => list.retain(|number| self.contains(*number)),
            Self::Some(numbers) => {
                let mut rest = numbers.as_slice();
                list.retain(|number| {
                    rest = from_lower_bound(rest, number);
                    rest.first() == Some(number)
                });
            }
            Self::Many(containers) => containers.retain_in(list),
        }
    }
}

/// Returns the rest of a sorted list from the first element that is not below `least`; fast if that is near the start.
pub(super) fn from_lower_bound<'a, T: Ord>(list: &'a [T], least: &T) -> &'a [T] {
    let is_below = |number: &T| number < least;
    // Gallop with doubling steps to bound the range, then search it.
    let mut reach = 1;
    while list.get(reach - 1).is_some_and(is_below) {
        reach *= 2;
    }
    let rest = list.get(reach / 2..).unwrap_or_default();
    let near = rest.get(..reach - reach / 2).unwrap_or(rest);
    rest.get(near.partition_point(is_below)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Runs of numbers with a constant step, some dense and some sparse.
    fn numbers() -> impl Strategy<Value = BTreeSet<u32>> {
        let run = (0_u32..200_000, 1_u32..3000, 1_u32..50);
        let run = run.prop_map(|(start, count, step)| (0..count).map(move |number| start + number * step));
        prop::collection::vec(run, 0..5).prop_map(|runs| runs.into_iter().flatten().collect())
    }

    fn set_of(numbers: &BTreeSet<u32>) -> NumberSet {
        let mut set = NumberSet::default();
        for number in numbers {
            set.insert(*number);
        }
        set
    }

    proptest! {
        #[test]
        fn no_common_number_is_skipped(one in numbers(), other in numbers(), from in 0_u32..250_000) {
            let [first, second] = [&one, &other].map(set_of);
            let expected = one.range(from..).find(|number| other.contains(number)).copied();
            let mut next = Some(from);
            while let Some(number) = next {
                next = first.next_in_both(&second, number);
                match (next, expected) {
                    (Some(found), Some(expected)) if found == expected => return Ok(()),
                    (Some(found), expected) => {
                        prop_assert!(found >= number && one.contains(&found));
                        prop_assert!(expected.is_none_or(|expected| found < expected));
                        next = Some(found + 1);
                    }
                    (None, expected) => prop_assert_eq!(expected, None),
                }
            }
        }

        #[test]
        fn retain_keeps_numbers_in_the_set(one in numbers(), other in numbers()) {
            let mut list: Vec<u32> = one.iter().copied().collect();
            set_of(&other).retain_in(&mut list);
            prop_assert!(list.iter().eq(one.intersection(&other)));
        }

        #[test]
        fn list_has_all_numbers_in_order(numbers in numbers()) {
            let mut list = Vec::new();
            set_of(&numbers).list_into(&mut list);
            prop_assert!(list.iter().eq(numbers.iter()));
        }
    }
}
