//! What two sets have in common.

use super::NumberSet;

impl NumberSet {
    /// Returns the lowest number not below another that is in both this set and another one, or one that is lower than
    /// that and in this set, from where to go on.
    pub(crate) fn next_in_both(&self, other: &Self, number: u32) -> Option<u32> {
        if let (Self::Many(chunks), Self::Many(others)) = (self, other) {
            return chunks.next_in_both(others, number);
        }
        let here = self.next_from(number)?;
        let there = other.next_from(here)?;
        if here == there { Some(here) } else { self.next_from(there) }
    }

    /// Leaves only those numbers in a list, which is in order, that are in the set.
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
            Self::Many(chunks) => chunks.retain_in(list),
        }
    }
}

/// Returns the end of a list in order from the first number on that is not below another; quick if that is near.
pub(super) fn from_lower_bound<'a, T: Ord>(list: &'a [T], least: &T) -> &'a [T] {
    let is_below = |number: &T| number < least;
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

    /// Numbers in runs of one step, some dense and some sparse.
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
            let truth = one.range(from..).find(|number| other.contains(number)).copied();
            let mut next = Some(from);
            while let Some(number) = next {
                next = first.next_in_both(&second, number);
                match (next, truth) {
                    (Some(found), Some(truth)) if found == truth => return Ok(()),
                    (Some(found), truth) => {
                        prop_assert!(found >= number && one.contains(&found));
                        prop_assert!(truth.is_none_or(|truth| found < truth));
                        next = Some(found + 1);
                    }
                    (None, truth) => prop_assert_eq!(truth, None),
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
