//! The contents that nodes share.

use std::hash::BuildHasher as _;
use std::num::NonZeroU32;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};

use super::sorted_runs::{DigestKey, SortedRun, SortedRuns};
use crate::availability::Availability;
use crate::hash_index::{HashIndex, KeySource};
use crate::ids::ContentNo;
use crate::keyed_hash::KeyedState;
use crate::slab::Slab;

/// A content with more names than this gets the maximum rank bound, so that not all its names are reranked whenever a node
/// comes or goes.
const MAX_RERANKED_NAMES: u32 = 1024;

/// A content as nodes describe it. The index cannot check sizes, so the same digest with another size is a separate content: a
/// false size affects no honest node.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// The number of files with this content in all lists.
    use_count: NonZeroU32,
    /// The number of distinct names of these files.
    name_count: u32,
    /// The number of address groups of listed nodes that have it.
    pub(crate) availability: Availability,
}

impl KeySource for Slab<Content> {
    fn hash(&self, number: u32, hasher: &KeyedState) -> u64 {
        self.get(number).map_or(0, |content| hasher.hash_one(content.digest))
    }

    fn sample_byte(&self, number: u32) -> u8 {
        self.get(number).and_then(|content| content.digest.as_bytes().first().copied()).unwrap_or_default()
    }
}

impl Content {
    fn matches(&self, digest: &Digest, size: u64) -> bool {
        self.digest == *digest && self.size == size
    }

    /// Returns true if the content has exactly one name.
    pub(crate) const fn has_one_name(&self) -> bool {
        self.name_count == 1
    }

    /// Returns an upper bound of the content's rank, for searches that have not read the content yet.
    pub(super) fn rank_bound(&self) -> u64 {
        if self.name_count > MAX_RERANKED_NAMES { u64::MAX } else { self.availability.rank() }
    }
}

/// The first four bytes of a digest: enough to distinguish almost all contents.
pub(crate) type DigestHead = u32;

/// Returns the first four bytes of a digest.
pub(crate) fn digest_head(digest: &Digest) -> DigestHead {
    digest.as_bytes().first_chunk().copied().map_or(0, DigestHead::from_be_bytes)
}

/// All contents: by number, by digest, and in digest order. Only the table stores digests; keeping them out of the indexes cuts
/// these to a third.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    table: Slab<Content>,
    hash_index: HashIndex,
    sorted_runs: SortedRuns,
    bytes: u128,
}

impl Contents {
    /// Counts one more file with a content, and returns the content's number. A new content is not in digest order yet.
    pub(super) fn acquire(&mut self, digest: Digest, size: u64) -> Option<ContentNo> {
        let hash = self.hash_index.hash(digest);
        if let Some(ContentNo(number)) = self.find_hashed(hash, &digest, size) {
            let content = self.table.get_mut(number)?;
            content.use_count = content.use_count.checked_add(1)?;
            return Some(ContentNo(number));
        }
        let (uses, available) = (NonZeroU32::MIN, Availability::default());
        let number = self.table.insert(Content {
            digest,
            size,
            use_count: uses,
            name_count: 0,
            availability: available,
        })?;
        self.hash_index.insert(hash, number, &self.table);
        self.bytes += u128::from(size);
        debug_assert_eq!(
            self.find_hashed(hash, &digest, size),
            Some(ContentNo(number)),
            "a new content is found"
        );
        Some(ContentNo(number))
    }

    /// Prefetches the memory that [`Contents::acquire`] will read.
    pub(super) fn prefetch(&self, files: &[FileRecord]) {
        self.hash_index.prefetch(files.iter().map(|file| self.hash_index.hash(file.digest)));
    }

    /// Returns the content's sort key in digest order.
    pub(super) fn digest_key(&self, number: ContentNo) -> Option<DigestKey> {
        self.get(number).map(|content| (digest_head(&content.digest), number))
    }

    /// Adds keys; some may be present already. The caller then calls [`Contents::merge_keys`].
    pub(super) fn add_keys(&mut self, keys: SortedRun) {
        self.sorted_runs.push_run(keys);
    }

    /// Merges up to `max_keys` keys into longer runs; returns true when merging is complete.
    pub(super) fn merge_keys(&mut self, max_keys: usize) -> bool {
        let Self { table, sorted_runs, .. } = self;
        sorted_runs.merge(max_keys, |(head, number)| {
            table.get(number.0).is_some_and(|content| digest_head(&content.digest) == head)
        })
    }

    /// Adds the keys of all contents and releases excess memory.
    pub(super) fn sort_all_keys(&mut self) {
        let key = |(number, content): (u32, &Content)| (digest_head(&content.digest), ContentNo(number));
        self.sorted_runs = SortedRuns::from_keys(self.table.iter().map(key).collect());
        self.hash_index.shrink(&self.table);
    }

    /// Reserves space for `more` contents.
    pub(super) fn reserve(&mut self, more: usize) {
        self.hash_index.reserve(more, &self.table);
    }

    /// Returns the number of a content.
    #[cfg(test)]
    pub(crate) fn find(&self, digest: &Digest, size: u64) -> Option<ContentNo> {
        self.find_hashed(self.hash_index.hash(digest), digest, size)
    }

    /// Counts one file less; removes a content without files.
    pub(super) fn release(&mut self, number: ContentNo) {
        let Some(content) = self.table.get_mut(number.0) else {
            return impossible!("an unknown content is released", number = number);
        };
        if let Some(uses) = NonZeroU32::new(content.use_count.get() - 1) {
            content.use_count = uses;
            return;
        }
        let Some(content) = self.table.remove(number.0) else { return };
        debug_assert_eq!(content.name_count, 0, "a content without files has a name");
        debug_assert_eq!(
            content.availability,
            Availability::default(),
            "a content without files has a source"
        );
        debug_assert!(u128::from(content.size) <= self.bytes, "more bytes are removed than were added");
        self.bytes = self.bytes.saturating_sub(u128::from(content.size));
        self.sorted_runs.record_removed();
        self.hash_index.remove(self.hash_index.hash(content.digest), number.0);
    }

    /// Adds or removes one name of a content.
    pub(super) fn count_name(&mut self, number: ContentNo, named: bool) {
        if let Some(content) = self.table.get_mut(number.0) {
            debug_assert!(named || content.name_count > 0, "a content loses a name that it did not have");
            content.name_count =
                if named { content.name_count + 1 } else { content.name_count.saturating_sub(1) };
        }
    }

    /// Returns an upper bound of a content's rank.
    pub(super) fn rank_bound(&self, number: ContentNo) -> u64 {
        self.get(number).map_or(0, Content::rank_bound)
    }

    /// Replaces what an address group of listed nodes offers of a content.
    pub(super) fn update_availability(
        &mut self,
        number: ContentNo,
        before: Option<Share>,
        after: Option<Share>,
    ) {
        debug_assert_ne!(before, after, "nothing changes");
        let Some(content) = self.table.get_mut(number.0) else {
            return impossible!("an unknown content is offered", number = number);
        };
        if let Some(share) = before {
            let count = content.availability.count_mut(share);
            debug_assert!(*count > 0, "an address group leaves that was not counted");
            *count = count.saturating_sub(1);
        }
        if let Some(share) = after {
            *content.availability.count_mut(share) += 1;
        }
    }

    /// Returns a content.
    pub(crate) fn get(&self, number: ContentNo) -> Option<&Content> {
        self.table.get(number.0)
    }

    /// Returns the contents with a digest, one for each claimed size.
    pub(crate) fn with_digest(&self, digest: Digest) -> impl Iterator<Item = ContentNo> {
        let numbers = self.hash_index.candidates(self.hash_index.hash(digest)).map(ContentNo);
        numbers.filter(move |number| self.get(*number).is_some_and(|content| content.digest == digest))
    }

    /// Returns the first key from `from` on whose digest head is at most `high`. The key may be stale: its content may be gone,
    /// or its number reused.
    pub(crate) fn next_by_digest(&self, from: DigestKey, high: DigestHead) -> Option<DigestKey> {
        self.sorted_runs.next(from, high)
    }

    /// Counts the contents with digest heads from `low` to `high`; may include stale keys.
    pub(crate) fn count_between(&self, low: DigestHead, high: DigestHead) -> usize {
        self.sorted_runs.count_between(low, high)
    }

    /// Returns the number of contents.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn find_hashed(&self, hash: u64, digest: &Digest, size: u64) -> Option<ContentNo> {
        let matches = |number| self.table.get(number).is_some_and(|content| content.matches(digest, size));
        self.hash_index.find(hash, matches).map(ContentNo)
    }

    /// Returns the total size of all contents.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }
}
