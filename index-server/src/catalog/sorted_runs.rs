//! Contents in the order in which their digests start.
//!
//! They lie in sorted runs, each at least twice as long as the next. What is new is a run of its own, and is merged with
//! those that are no longer. So a place is moved a few times, from memory in order to memory in order: with five million of
//! them in a tree, in which each is looked for from the root, a file took a seventh more time.

use super::DigestHead;
use crate::ids::ContentNo;

/// Where a content belongs.
pub(crate) type DigestKey = (DigestHead, ContentNo);

/// The places of all contents, and of some that are gone. Once all is [settled](Order::settle), those are no more than half.
#[derive(Debug, Default)]
pub(super) struct SortedRuns {
    runs: Vec<Vec<DigestKey>>,
    merging: Option<RunMerge>,
    /// How many places are of contents that are gone, at most.
    stale_count: usize,
}

/// The last two runs on their way into one.
#[derive(Debug)]
struct RunMerge {
    merged: Vec<DigestKey>,
    /// How many places of the last run but one, and of the last, are merged.
    consumed: (usize, usize),
    /// Whether places of contents that are gone are left out.
    purges_stale: bool,
}

impl SortedRuns {
    /// Puts places in order, all of them at once.
    pub(super) fn from_keys(mut places: Vec<DigestKey>) -> Self {
        places.sort_unstable();
        Self { runs: vec![places], ..Self::default() }
    }

    /// Adds places, which are sorted; some of them may be there already.
    pub(super) fn push_run(&mut self, places: Vec<DigestKey>) {
        if !places.is_empty() {
            self.runs.push(places);
        }
    }

    /// Notes that a content is gone; its place may be told until it is purged.
    pub(super) const fn record_removed(&mut self) {
        self.stale_count = self.stale_count.saturating_add(1);
    }

    /// Merges runs, so many places at most; says whether all are as long as they should be. Nothing may be added until then.
    pub(super) fn merge(&mut self, most: usize, is_there: impl Fn(DigestKey) -> bool) -> bool {
        let Some(mut merging) = self.merging.take().or_else(|| self.next_merge()) else { return true };
        let (longer, last) = self.last_two();
        for _ in 0..most {
            let Some(place) = merging.next(longer, last) else {
                self.replace(merging);
                return false;
            };
            if merging.merged.last() != Some(&place) && (!merging.purges_stale || is_there(place)) {
                merging.merged.push(place);
            }
        }
        self.merging = Some(merging);
        false
    }

    /// Returns the first place that is not before another and starts no higher than with `high`.
    pub(super) fn next(&self, from: DigestKey, high: DigestHead) -> Option<DigestKey> {
        let first = |run: &Vec<DigestKey>| run.get(run.partition_point(|place| *place < from)).copied();
        self.runs.iter().filter_map(first).min().filter(|(start, _)| *start <= high)
    }

    /// Counts the places that start between two.
    pub(super) fn count_between(&self, low: DigestHead, high: DigestHead) -> usize {
        let between = |run: &Vec<DigestKey>| {
            let end = run.partition_point(|(start, _)| *start <= high);
            end.saturating_sub(run.partition_point(|(start, _)| *start < low))
        };
        self.runs.iter().map(between).sum()
    }

    /// Begins to merge the last two runs, if they are to be.
    fn next_merge(&self) -> Option<RunMerge> {
        let (longer, last) = self.last_two();
        let all: usize = self.runs.iter().map(Vec::len).sum();
        let purges = self.stale_count > all / 2;
        let is_due = purges || (!longer.is_empty() && longer.len() < 2 * last.len());
        let room = if purges { 0 } else { longer.len() + last.len() };
        is_due.then(|| RunMerge { merged: Vec::with_capacity(room), consumed: (0, 0), purges_stale: purges })
    }

    fn last_two(&self) -> (&[DigestKey], &[DigestKey]) {
        match self.runs.as_slice() {
            [.., longer, last] => (longer, last),
            [last] => (&[], last),
            [] => (&[], &[]),
        }
    }

    fn replace(&mut self, RunMerge { merged, purges_stale: purges, .. }: RunMerge) {
        self.runs.truncate(self.runs.len().saturating_sub(2));
        if purges && self.runs.is_empty() {
            self.stale_count = 0;
        }
        self.push_run(merged);
    }
}

impl RunMerge {
    fn next(&mut self, longer: &[DigestKey], last: &[DigestKey]) -> Option<DigestKey> {
        let (one, other) = &mut self.consumed;
        match (longer.get(*one), last.get(*other)) {
            (Some(place), next) if next.is_none_or(|next| place <= next) => {
                *one += 1;
                Some(*place)
            }
            (_, Some(place)) => {
                *other += 1;
                Some(*place)
            }
            (_, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Looks at all places from step to step, until they are settled.
    fn merge_all(order: &mut SortedRuns, model: &BTreeSet<DigestKey>) {
        loop {
            let is_settled = order.merge(3, |place| model.contains(&place));
            for (low, high) in [(0, 8), (2, 2), (3, 7)] {
                let mut next = order.next((low, ContentNo(0)), high);
                let mut found = Vec::new();
                while let Some(place) = next {
                    found.push(place);
                    next = order.next((place.0, ContentNo(place.1.0 + 1)), high);
                }
                assert!(found.is_sorted_by(|one, other| one < other));
                assert!(order.count_between(low, high) >= found.len());
                let all = found.len();
                found.retain(|place| model.contains(place));
                assert!(
                    all - found.len() <= order.stale_count,
                    "{} of {all} are there, {} gone",
                    found.len(),
                    order.stale_count
                );
                assert!(found.iter().eq(model.range((low, ContentNo(0))..=(high, ContentNo(u32::MAX)))));
            }
            if is_settled {
                break;
            }
        }
        let lengths: Vec<usize> = order.runs.iter().map(Vec::len).collect();
        assert!(lengths.is_sorted_by(|longer, shorter| *longer >= 2 * shorter), "{lengths:?}");
        assert!(
            order.stale_count <= lengths.iter().sum::<usize>() / 2,
            "{} are gone of {lengths:?}",
            order.stale_count
        );
    }

    #[test]
    fn removing_all_keys_leaves_nothing() {
        let mut order =
            SortedRuns::from_keys((0..100).map(|number| (number % 7, ContentNo(number))).collect());
        assert_eq!(
            (order.count_between(2, 3), order.next((6, ContentNo(14)), 6)),
            (28, Some((6, ContentNo(20))))
        );
        (0..100).for_each(|_| order.record_removed());
        merge_all(&mut order, &BTreeSet::new());
        assert_eq!((order.runs.len(), order.next((0, ContentNo(0)), u32::MAX)), (0, None));
    }

    proptest! {
        #[test]
        fn keys_are_found_in_order_after_any_changes(
            deeds in prop::collection::vec((any::<bool>(), prop::collection::btree_set((0_u32..9, 0_u32..60), 0..30)), 0..40),
        ) {
            let (mut order, mut model) = (SortedRuns::default(), BTreeSet::new());
            for (comes, places) in deeds {
                let places: Vec<DigestKey> = places.into_iter().map(|(start, number)| (start, ContentNo(number))).collect();
                if comes {
                    model.extend(places.iter().copied());
                    order.push_run(places);
                } else {
                    places.iter().filter(|place| model.remove(place)).for_each(|_| order.record_removed());
                }
                merge_all(&mut order, &model);
            }
        }
    }
}
