//! Random numbers for load spreading; not for secrets.

use protocol::seeded_random::SeededRandom;

/// Draws numbers below a bound from a generator with an explicit seed.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(SeededRandom);

impl SplitMix64 {
    pub(crate) const fn from_seed(seed: u64) -> Self {
        Self(SeededRandom::from_seed(seed))
    }

    /// Returns a number below `bound`; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.0.next_u64() % bound).unwrap_or_default()
    }

    /// Shuffles items.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}
