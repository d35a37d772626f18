//! Numbers, found by what they stand for.

use std::hash::{BuildHasher as _, Hash};

use hashbrown::HashTable;

use crate::keyed_hash::KeyedState;
use crate::prefetch;

/// A table grows in so many parts, each by itself. As a whole it kept searches waiting for 0.1 s at a million files, and
/// for 0.7 s at five million.
const SHARDS: usize = 1024;

/// Numbers under the hashes of what they stand for, which lies somewhere else. That takes five bytes a place.
#[derive(Debug)]
pub(crate) struct HashIndex {
    shards: Vec<HashTable<u32>>,
    hasher: KeyedState,
}

/// What numbers stand for.
pub(crate) trait KeySource {
    /// Hashes what a number stands for.
    fn hash(&self, number: u32, hasher: &KeyedState) -> u64;

    /// Returns any byte of what is hashed.
    fn sample_byte(&self, number: u32) -> u8;
}

impl Default for HashIndex {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect(), hasher: KeyedState::default() }
    }
}

impl HashIndex {
    /// Hashes what a number is to stand for.
    pub(crate) fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }

    /// Returns the number under a hash that stands for what is meant.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.shards.get(shard_of(hash))?.find(hash, |number| is_it(*number)).copied()
    }

    /// Returns the numbers under a hash, of which all are to be looked at.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        self.shards.get(shard_of(hash)).into_iter().flat_map(move |numbers| numbers.iter_hash(hash).copied())
    }

    /// Puts a number in that is not in.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, all: &impl KeySource) {
        let Some(numbers) = self.shards.get_mut(shard_of(hash)) else { return };
        if numbers.len() == numbers.capacity() {
            prefetch::prefetch(numbers.iter().map(|number| all.sample_byte(*number)));
        }
        numbers.insert_unique(hash, number, |number| all.hash(*number, &self.hasher));
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        let Some(numbers) = self.shards.get_mut(shard_of(hash)) else { return };
        if let Ok(entry) = numbers.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
    }

    /// Fetches at once from memory where some hashes lead.
    pub(crate) fn prefetch(&self, hashes: impl Iterator<Item = u64>) {
        prefetch::prefetch(hashes.filter_map(|hash| touch_slot(self.shards.get(shard_of(hash))?, hash)));
    }

    /// Makes room for so many more numbers.
    pub(crate) fn reserve(&mut self, more: usize, all: &impl KeySource) {
        for numbers in &mut self.shards {
            numbers.reserve(more / SHARDS, |number| all.hash(*number, &self.hasher));
        }
    }

    /// Gives room back that is not needed.
    pub(crate) fn shrink(&mut self, all: &impl KeySource) {
        for numbers in &mut self.shards {
            numbers.shrink_to_fit(|number| all.hash(*number, &self.hasher));
        }
    }
}

/// Returns in which part a hash is. Within it, a place is found by the lowest bits of the hash and its seven highest.
fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> 40).unwrap_or_default() % SHARDS
}

/// Reads what lies in a table where a hash leads: there it is looked for, and there something new will be put.
fn touch_slot(numbers: &HashTable<u32>, hash: u64) -> Option<u8> {
    let first = usize::try_from(hash).unwrap_or_default() & (numbers.num_buckets() - 1);
    // Of the places beside it, in the same line of memory, one is full almost always.
    let full = (0..8).find_map(|place| numbers.get_bucket(first ^ place))?;
    full.to_le_bytes().first().copied()
}
