//! The hash function of tables whose keys clients choose: names, words, digests.
//!
//! It is keyed, so that nobody can choose texts that collide, and faster than the standard library's `SipHash`
//! (docs/performance.md).

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

/// The hasher of one table, with its own key.
#[derive(Debug, Clone)]
pub(crate) struct KeyedState(SeedableRandomState);

impl Default for KeyedState {
    /// Creates a hasher with a random key.
    fn default() -> Self {
        static SEED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(random_seed()));
        Self(SeedableRandomState::with_seed(random_seed(), &SEED))
    }
}

impl std::hash::BuildHasher for KeyedState {
    type Hasher = foldhash::fast::FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// Returns a random number, derived from the keys of the standard library's hash tables.
fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}
