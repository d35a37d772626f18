//! Pseudo-random numbers for order and jitter; not for secrets. Pure: callers pass the seed.

/// A small pseudo-random generator (`SplitMix64`); the same seed gives the same sequence.
#[derive(Debug, Clone, Default)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// Creates a generator with a seed.
    pub const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
