//! The contents in digest order.
//!
//! Keys are kept in sorted runs, each at least twice as long as the next. New keys form a run of their own, which is merged
//! with the runs that are not longer. A key is moved a few times, always sequentially, which is faster than a tree.

use super::DigestHead;
use crate::ids::ContentNo;

/// A content's position in digest order.
pub(crate) type DigestKey = (DigestHead, ContentNo);

/// Keys in strictly ascending order.
#[derive(Debug, Default)]
pub(super) struct SortedRun(Vec<DigestKey>);

impl SortedRun {
    /// Sorts keys and removes duplicates.
    pub(super) fn sort(mut keys: Vec<DigestKey>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        Self(keys)
    }

    /// Returns true if there is no key.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The keys of all contents, and stale keys of removed ones. After [merging](SortedRuns::merge), at most half are stale.
#[derive(Debug, Default)]
pub(super) struct SortedRuns {
    runs: Vec<SortedRun>,
    merging: Option<RunMerge>,
    /// An upper bound of the number of stale keys.
    stale_count: usize,
}

/// A merge of the last two runs in progress.
#[derive(Debug)]
struct RunMerge {
    merged: Vec<DigestKey>,
    /// How many keys of the last run but one, and of the last, are merged.
    consumed: (usize, usize),
    /// Whether stale keys are dropped.
    purges_stale: bool,
}

impl SortedRuns {
    /// Sorts keys into a single run.
    pub(super) fn from_keys(keys: Vec<DigestKey>) -> Self {
        Self { runs: vec![SortedRun::sort(keys)], ..Self::default() }
    }

    /// Adds a run of keys, of which some may be present already. No merge may be in progress.
    pub(super) fn push_run(&mut self, run: SortedRun) {
        debug_assert!(self.merging.is_none(), "a run is added during a merge of the last two");
        if !run.is_empty() {
            self.runs.push(run);
        }
    }

    /// Records that a content was removed; its key is stale until it is purged.
    pub(super) const fn record_removed(&mut self) {
        self.stale_count = self.stale_count.saturating_add(1);
    }

    /// Merges up to `max_keys` keys; returns true when no merge is due. Nothing may be added until then.
    pub(super) fn merge(&mut self, max_keys: usize, exists: impl Fn(DigestKey) -> bool) -> bool {
        // A merge spans several calls, so that none holds the lock for long.
        let Some(mut merging) = self.merging.take().or_else(|| self.next_merge()) else { return true };
        let (longer, last) = self.last_two();
        for _ in 0..max_keys {
            let Some(key) = merging.next(longer, last) else {
                self.replace(merging);
                return false;
            };
            // A key may be in both runs if its content was removed and added again.
            debug_assert!(merging.merged.last() <= Some(&key), "a merge of sorted runs is out of order");
            if merging.merged.last() != Some(&key) && (!merging.purges_stale || exists(key)) {
                merging.merged.push(key);
            }
        }
        self.merging = Some(merging);
        false
    }

    /// Returns the first key from `from` on whose digest head is at most `high`.
    pub(super) fn next(&self, from: DigestKey, high: DigestHead) -> Option<DigestKey> {
        // The runs are few, so a binary search in each is cheaper than keeping them merged.
        let first = |SortedRun(run): &SortedRun| run.get(run.partition_point(|key| *key < from)).copied();
        self.runs.iter().filter_map(first).min().filter(|(start, _)| *start <= high)
    }

    /// Counts the keys with digest heads from `low` to `high`.
    pub(super) fn count_between(&self, low: DigestHead, high: DigestHead) -> usize {
        let between = |SortedRun(run): &SortedRun| {
            let end = run.partition_point(|(start, _)| *start <= high);
            let begin = run.partition_point(|(start, _)| *start < low);
            debug_assert!(begin <= end || low > high, "a run is out of order");
            end.saturating_sub(begin)
        };
        self.runs.iter().map(between).sum()
    }

    /// Starts merging the last two runs, if due.
    fn next_merge(&self) -> Option<RunMerge> {
        let (longer, last) = self.last_two();
        let all: usize = self.runs.iter().map(|run| run.0.len()).sum();
        // If most keys are stale, merge down to a single run without them.
        let purges = self.stale_count > all / 2;
        // Merging when the longer run is less than twice as long keeps the number of runs logarithmic.
        let is_due = purges || (!longer.is_empty() && longer.len() < 2 * last.len());
        // Most keys are about to disappear, so the space for all would be wasted.
        let capacity = if purges { 0 } else { longer.len() + last.len() };
        is_due.then(|| RunMerge {
            merged: Vec::with_capacity(capacity),
            consumed: (0, 0),
            purges_stale: purges,
        })
    }

    fn last_two(&self) -> (&[DigestKey], &[DigestKey]) {
        match self.runs.as_slice() {
            [.., longer, last] => (&longer.0, &last.0),
            [last] => (&[], &last.0),
            [] => (&[], &[]),
        }
    }

    fn replace(&mut self, RunMerge { merged, purges_stale: purges, .. }: RunMerge) {
        self.runs.truncate(self.runs.len().saturating_sub(2));
        // Only a merge down to a single run has seen every stale key.
        if purges && self.runs.is_empty() {
            self.stale_count = 0;
        }
        debug_assert!(merged.is_sorted_by(|one, next| one < next), "a merge of sorted runs is sorted");
        self.push_run(SortedRun(merged));
    }
}

impl RunMerge {
    fn next(&mut self, longer: &[DigestKey], last: &[DigestKey]) -> Option<DigestKey> {
        let (from_longer, from_last) = &mut self.consumed;
        match (longer.get(*from_longer), last.get(*from_last)) {
            (Some(key), next) if next.is_none_or(|next| key <= next) => {
                *from_longer += 1;
                Some(*key)
            }
            (_, Some(key)) => {
                *from_last += 1;
                Some(*key)
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

    /// Checks all keys after each step until merging is complete.
    fn merge_all(runs: &mut SortedRuns, model: &BTreeSet<DigestKey>) {
        loop {
            let is_settled = runs.merge(3, |key| model.contains(&key));
            for (low, high) in [(0, 8), (2, 2), (3, 7)] {
                let mut next = runs.next((low, ContentNo(0)), high);
                let mut found = Vec::new();
                while let Some(key) = next {
                    found.push(key);
                    next = runs.next((key.0, ContentNo(key.1.0 + 1)), high);
                }
                assert!(found.is_sorted_by(|one, other| one < other));
                assert!(runs.count_between(low, high) >= found.len());
                let all = found.len();
                found.retain(|key| model.contains(key));
                assert!(
                    all - found.len() <= runs.stale_count,
                    "{} of {all} exist, {} stale",
                    found.len(),
                    runs.stale_count
                );
                assert!(found.iter().eq(model.range((low, ContentNo(0))..=(high, ContentNo(u32::MAX)))));
            }
            if is_settled {
                break;
            }
        }
        let lengths: Vec<usize> = runs.runs.iter().map(|run| run.0.len()).collect();
        assert!(lengths.is_sorted_by(|longer, shorter| *longer >= 2 * shorter), "{lengths:?}");
        assert!(
            runs.stale_count <= lengths.iter().sum::<usize>() / 2,
            "{} stale of {lengths:?}",
            runs.stale_count
        );
    }

    #[test]
    fn removing_all_keys_leaves_nothing() {
        let mut runs =
            SortedRuns::from_keys((0..100).map(|number| (number % 7, ContentNo(number))).collect());
        assert_eq!(
            (runs.count_between(2, 3), runs.next((6, ContentNo(14)), 6)),
            (28, Some((6, ContentNo(20))))
        );
        (0..100).for_each(|_| runs.record_removed());
        merge_all(&mut runs, &BTreeSet::new());
        assert_eq!((runs.runs.len(), runs.next((0, ContentNo(0)), u32::MAX)), (0, None));
    }

    proptest! {
        #[test]
        fn keys_are_found_in_order_after_any_changes(
            changes in prop::collection::vec((any::<bool>(), prop::collection::btree_set((0_u32..9, 0_u32..60), 0..30)), 0..40),
        ) {
            let (mut runs, mut model) = (SortedRuns::default(), BTreeSet::new());
            for (is_added, keys) in changes {
                let keys: Vec<DigestKey> = keys.into_iter().map(|(start, number)| (start, ContentNo(number))).collect();
                if is_added {
                    model.extend(keys.iter().copied());
                    runs.push_run(SortedRun::sort(keys));
                } else {
                    keys.iter().filter(|key| model.remove(key)).for_each(|_| runs.record_removed());
                }
                merge_all(&mut runs, &model);
            }
        }
    }
}
