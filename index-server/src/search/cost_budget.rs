//! When a search stops walking over titles and intersects the requirements of its query instead.

/// What a search may cost before that: at least its first step, so that a search that waits for a thread holds no bitmap. A
/// requirement with fewer titles is never intersected.
pub(crate) const SCAN_COST_LIMIT: usize = 8192;

/// The minimum budget of each later fit.
const LATER_FIT_COST: usize = 2048;
const _: () = assert!(
    0 < LATER_FIT_COST && LATER_FIT_COST <= SCAN_COST_LIMIT,
    "a later fit costs no more than the first"
);

/// The remaining budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct CostBudget {
    remaining: usize,
    later: usize,
    /// Minimum number of titles of a requirement for an intersection.
    pub(super) min_titles: usize,
}

impl Default for CostBudget {
    fn default() -> Self {
        Self { remaining: SCAN_COST_LIMIT, later: LATER_FIT_COST, min_titles: SCAN_COST_LIMIT }
    }
}

impl CostBudget {
    /// Returns a budget of `cost` for each fit.
    #[cfg(test)]
    pub(super) const fn with_cost(cost: usize) -> Self {
        Self { remaining: cost, later: cost, min_titles: 0 }
    }

    /// Returns the remaining cost that walking may take.
    pub(super) const fn remaining(self) -> usize {
        self.remaining
    }

    pub(super) const fn spend(&mut self, cost: usize) {
        self.remaining = self.remaining.saturating_sub(cost);
    }

    /// Tops up the budget for the next fit.
    pub(super) fn begin_fit(&mut self) {
        self.remaining = self.remaining.max(self.later);
    }
}
