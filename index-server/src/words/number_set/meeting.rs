//! What two sets have in common.

use super::NumberSet;

impl NumberSet {
    /// Returns the lowest number not below another that is in both this set and another one, or one that is lower than
    /// that and in this set, from where to go on.
    pub(crate) fn meet_from(&self, other: &Self, number: u32) -> Option<u32> {
        if let (Self::Many(chunks), Self::Many(others)) = (self, other) {
            return chunks.next_in_both(others, number);
        }
        let here = self.next_from(number)?;
        let there = other.next_from(here)?;
        if here == there { Some(here) } else { self.next_from(there) }
    }
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
        fn nothing_that_is_in_both_is_passed_over(one in numbers(), other in numbers(), from in 0_u32..250_000) {
            let [first, second] = [&one, &other].map(set_of);
            let truth = one.range(from..).find(|number| other.contains(number)).copied();
            let mut next = Some(from);
            while let Some(number) = next {
                next = first.meet_from(&second, number);
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
        fn a_list_of_all_has_all_in_order(numbers in numbers()) {
            let mut list = Vec::new();
            set_of(&numbers).list_into(&mut list);
            prop_assert!(list.iter().eq(numbers.iter()));
        }
    }
}
