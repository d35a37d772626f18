//! When a search stops walking over titles and intersects the requirements of its query as a whole.

/// What a search may cost before that: at least its first step, so that a search that waits for a thread holds no bitmap.
/// A requirement of fewer titles is always walked over.
pub(crate) const PATIENCE: usize = 8192;

/// What each fit behind the first may cost, if less is left.
const FURTHER: usize = 2048;

/// What is left of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    left: usize,
    further: usize,
    /// The fewest titles of a requirement that are intersected.
    pub(super) least: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { left: PATIENCE, further: FURTHER, least: PATIENCE }
    }
}

impl Patience {
    /// Returns a patience of so much for each fit.
    #[cfg(test)]
    pub(super) const fn of(cost: usize) -> Self {
        Self { left: cost, further: cost, least: 0 }
    }

    /// Returns what may still be spent on walking.
    pub(super) const fn left(self) -> usize {
        self.left
    }

    pub(super) const fn spend(&mut self, cost: usize) {
        self.left = self.left.saturating_sub(cost);
    }

    /// Allows some walking for the next fit.
    pub(super) fn begin_fit(&mut self) {
        self.left = self.left.max(self.further);
    }
}
