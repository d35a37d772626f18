//! How tables hash what strangers choose: names, words, digests.
//!
//! With a key, so that nobody can choose texts that all fall into one place; but quickly. `SipHash`, which the standard
//! library hashes with, took a seventh of the time in which a file is entered.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

/// The key of one table, and what hashes with it.
#[derive(Debug, Clone)]
pub(crate) struct KeyedState(SeedableRandomState);

impl Default for KeyedState {
    /// Draws a key.
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

/// Draws a number from the keys that the system gives to the standard library's tables.
fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}
