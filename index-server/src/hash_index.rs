//! Finds numbers by the hash of the value that each represents.

use std::hash::{BuildHasher as _, Hash};

use hashbrown::HashTable;

use crate::keyed_hash::KeyedState;
use crate::prefetch;

/// The table is split into shards that grow independently; growing all of it at once would block searches noticeably.
const SHARDS: usize = 1024;
const _: () = assert!(SHARDS.is_power_of_two(), "all shards are equally likely");

/// The lowest bit of a hash that selects the shard. The shard's table uses the lowest bits and the seven highest.
const SHARD_BITS_START: u32 = 40;
const _: () = assert!(
    SHARD_BITS_START + SHARDS.trailing_zeros() <= u64::BITS - 7,
    "bits of a shard and its table differ"
);
const _: () = assert!(SHARD_BITS_START > u32::BITS, "a table of all numbers uses no bit of its shard");

/// Numbers indexed by the hash of their values, which are stored elsewhere; takes five bytes per slot.
#[derive(Debug)]
pub(crate) struct HashIndex {
    shards: Vec<HashTable<u32>>,
    hasher: KeyedState,
}

/// Provides the values of numbers.
pub(crate) trait KeySource {
    /// Hashes the value of a number.
    fn hash(&self, number: u32, hasher: &KeyedState) -> u64;

    /// Returns any byte of the value, to prefetch it.
    fn sample_byte(&self, number: u32) -> u8;
}

impl Default for HashIndex {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect(), hasher: KeyedState::default() }
    }
}

impl HashIndex {
    /// Hashes a value.
    pub(crate) fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }

    /// Returns the number with this hash for which `matches` returns true.
    pub(crate) fn find(&self, hash: u64, matches: impl Fn(u32) -> bool) -> Option<u32> {
        // Values with the same hash exist, so the caller compares the value itself.
        self.shards.get(shard_of(hash))?.find(hash, |number| matches(*number)).copied()
    }

    /// Returns the numbers with this hash; the caller compares their values.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        self.shards.get(shard_of(hash)).into_iter().flat_map(move |numbers| numbers.iter_hash(hash).copied())
    }

    /// Inserts a number that is not present.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, keys: &impl KeySource) {
        let Some(numbers) = self.shards.get_mut(shard_of(hash)) else {
            return impossible!("a hash has no shard", hash = hash);
        };
        // A full shard grows and rehashes all its values, so prefetch them.
        if numbers.len() == numbers.capacity() {
            prefetch::prefetch(numbers.iter().map(|number| keys.sample_byte(*number)));
        }
        // The hasher runs only when the shard grows; the table does not store the hashes.
        debug_assert!(
            numbers.find(hash, |other| *other == number).is_none(),
            "number {number} is inserted twice"
        );
        numbers.insert_unique(hash, number, |number| keys.hash(*number, &self.hasher));
        debug_assert!(numbers.len() < numbers.num_buckets(), "an empty slot ends every lookup");
    }

    /// Removes a number.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        // Compared by number: the value may be gone already.
        let Some(numbers) = self.shards.get_mut(shard_of(hash)) else {
            return impossible!("a hash has no shard", hash = hash);
        };
        let entry = numbers.find_entry(hash, |other| *other == number);
        debug_assert!(entry.is_ok(), "number {number} is removed but absent");
        if let Ok(entry) = entry {
            entry.remove();
        }
    }

    /// Prefetches the slots of some hashes.
    pub(crate) fn prefetch(&self, hashes: impl Iterator<Item = u64>) {
        prefetch::prefetch(hashes.filter_map(|hash| touch_slot(self.shards.get(shard_of(hash))?, hash)));
    }

    /// Reserves space for `more` numbers.
    pub(crate) fn reserve(&mut self, more: usize, keys: &impl KeySource) {
        for numbers in &mut self.shards {
            // The hash spreads numbers evenly over the shards.
            numbers.reserve(more / SHARDS, |number| keys.hash(*number, &self.hasher));
        }
    }

    /// Releases excess memory.
    pub(crate) fn shrink(&mut self, keys: &impl KeySource) {
        for numbers in &mut self.shards {
            numbers.shrink_to_fit(|number| keys.hash(*number, &self.hasher));
        }
    }
}

/// Returns the shard of a hash.
fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> SHARD_BITS_START).unwrap_or_default() % SHARDS
}

/// Reads the table slot for a hash, where both lookups and insertions start.
fn touch_slot(numbers: &HashTable<u32>, hash: u64) -> Option<u8> {
    let first = usize::try_from(hash).unwrap_or_default() & (numbers.num_buckets() - 1);
    // Almost always at least one neighbouring slot in the same cache line is occupied.
    let full = (0..8).find_map(|offset| numbers.get_bucket(first ^ offset))?;
    full.to_le_bytes().first().copied()
}
