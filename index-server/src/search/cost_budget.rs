//! When a search stops walking over titles and intersects the requirements of its query as a whole.

/// What a search may cost before that: at least its first step, so that a search that waits for a thread holds no bitmap.
/// A requirement of fewer titles is always walked over.
pub(crate) const SCAN_COST_LIMIT: usize = 8192;

/// What each fit behind the first may cost, if less is left.
const LATER_FIT_COST: usize = 2048;

/// What is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CostBudget {
    remaining: usize,
    later: usize,
    /// The fewest titles of a requirement that are intersected.
    pub(super) min_titles: usize,
}

impl Default for CostBudget {
    fn default() -> Self {
        Self { remaining: SCAN_COST_LIMIT, later: LATER_FIT_COST, min_titles: SCAN_COST_LIMIT }
    }
}

impl CostBudget {
    /// Returns a patience of so much for each fit.
    #[cfg(test)]
    pub(super) const fn with_cost(cost: usize) -> Self {
        Self { remaining: cost, later: cost, min_titles: 0 }
    }

    /// Returns what may still be spent on walking.
    pub(super) const fn remaining(self) -> usize {
        self.remaining
    }

    pub(super) const fn spend(&mut self, cost: usize) {
        self.remaining = self.remaining.saturating_sub(cost);
    }

    /// Allows some walking for the next fit.
    pub(super) fn begin_fit(&mut self) {
        self.remaining = self.remaining.max(self.later);
    }
}
