//! A bitmap of numbers: unions and intersections of sets at memory bandwidth.

/// Bits per word of the bitmap.
const BITS: u32 = u64::BITS;

/// Numbers as bits, from 0 to the highest that was inserted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bitmap(Vec<u64>);

impl Bitmap {
    pub(super) fn insert(&mut self, number: u32) {
        let index = (number / BITS) as usize;
        if index >= self.0.len() {
            self.0.resize(index + 1, 0);
        }
        if let Some(word) = self.0.get_mut(index) {
            *word |= 1 << (number % BITS);
        }
    }

    /// Sets the bits of some words, the first of which starts at the number `first`.
    pub(super) fn union_words(&mut self, first: u32, words: &[u64]) {
        let start = (first / BITS) as usize;
        let end = start + words.len();
        if end > self.0.len() {
            self.0.resize(end, 0);
        }
        for (word, other) in self.0.iter_mut().skip(start).zip(words) {
            *word |= other;
        }
    }

    /// Keeps only the numbers that the other bitmap contains too.
    pub(crate) fn intersect(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }

    /// Returns the lowest element from `number` on.
    pub(crate) fn next_from(&self, number: u32) -> Option<u32> {
        let first = number / BITS;
        let mut masked = u64::MAX << (number % BITS);
        for (index, word) in (first..).zip(self.0.iter().skip(first as usize)) {
            let word = word & masked;
            if word != 0 {
                return Some(index * BITS + word.trailing_zeros());
            }
            masked = u64::MAX;
        }
        None
    }

    /// Removes all numbers.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::NumberSet;
    use super::*;

    /// Runs of numbers with a constant step, some dense and some sparse.
    fn numbers() -> impl Strategy<Value = BTreeSet<u32>> {
        let run = (0_u32..200_000, 1_u32..3000, 1_u32..50);
        let run = run.prop_map(|(start, count, step)| (0..count).map(move |number| start + number * step));
        prop::collection::vec(run, 0..4).prop_map(|runs| runs.into_iter().flatten().collect())
    }

    proptest! {
        #[test]
        fn unions_and_intersections_match_btree_sets(
            requirements in prop::collection::vec(prop::collection::vec(numbers(), 1..4), 1..4),
            probes in prop::collection::vec(0_u32..400_000, 10),
        ) {
            let union = |sets: &Vec<BTreeSet<u32>>| {
                let mut bitmap = Bitmap::default();
                for numbers in sets {
                    let mut set = NumberSet::default();
                    for number in numbers {
                        set.insert(*number);
                    }
                    set.add_to(&mut bitmap);
                }
                bitmap
            };
            let all = requirements.iter().map(union).reduce(|mut all, next| { all.intersect(&next); all });
            let all = all.unwrap_or_default();
            let trees = requirements.iter().map(|sets| sets.iter().flatten().copied().collect::<BTreeSet<u32>>());
            let expected = trees.reduce(|all, next| &all & &next).unwrap_or_default();
            let next = |number: &u32| all.next_from(number + 1);
            prop_assert!(std::iter::successors(all.next_from(0), next).eq(expected.iter().copied()));
            for probe in probes {
                prop_assert_eq!(all.next_from(probe), expected.range(probe..).next().copied());
            }
        }
    }
}
