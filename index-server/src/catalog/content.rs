//! The contents that somebody shares.

use std::hash::BuildHasher as _;
use std::num::NonZeroU32;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};

use super::sorted_runs::{DigestKey, SortedRuns};
use crate::availability::Availability;
use crate::hash_index::{HashIndex, KeySource};
use crate::ids::ContentNo;
use crate::keyed_hash::KeyedState;
use crate::slab::Slab;

/// A content with more names than this counts as available as can be where searches pass over what is not available
/// enough, so that nobody has to tell all its names when a node comes or goes.
const MAX_RERANKED_NAMES: u32 = 1024;

/// A content as nodes describe it. The index cannot check a size, so the same digest with another size is another
/// content: who lies about one disturbs nobody who doesn't.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// How many files of all lists have it.
    use_count: NonZeroU32,
    /// Under how many names that is.
    name_count: u32,
    /// How many households of listed nodes have it.
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

    /// Says whether it has one name only.
    pub(crate) const fn has_one_name(&self) -> bool {
        self.name_count == 1
    }

    /// Returns how available searches are to take it for until they look at it itself.
    pub(super) fn rank_bound(&self) -> u64 {
        if self.name_count > MAX_RERANKED_NAMES { u64::MAX } else { self.availability.rank() }
    }
}

/// The first four bytes of a digest: enough to tell almost all contents apart.
pub(crate) type DigestHead = u32;

/// Returns how a digest starts.
pub(crate) fn digest_head(digest: &Digest) -> DigestHead {
    digest.as_bytes().first_chunk().copied().map_or(0, DigestHead::from_be_bytes)
}

/// All contents, by number, by digest, and in the order in which their digests start. Digests stand in the table
/// alone: the ways to them take a third of what they would take with digests in them.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    table: Slab<Content>,
    hash_index: HashIndex,
    sorted_runs: SortedRuns,
    bytes: u128,
}

impl Contents {
    /// Counts one more file with a content, and returns the content's number; one that is new has no place in the order yet.
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
        Some(ContentNo(number))
    }

    /// Fetches at once from memory what [`Contents::acquire`] looks at.
    pub(super) fn prefetch(&self, files: &[FileRecord]) {
        self.hash_index.prefetch(files.iter().map(|file| self.hash_index.hash(file.digest)));
    }

    /// Returns where a content belongs in the order in which digests start.
    pub(super) fn digest_key(&self, number: ContentNo) -> Option<DigestKey> {
        self.get(number).map(|content| (digest_head(&content.digest), number))
    }

    /// Gives contents their places, which are sorted; those that have them already may be among them.
    /// [`Contents::merge_keys`] is to follow.
    pub(super) fn add_keys(&mut self, places: Vec<DigestKey>) {
        self.sorted_runs.push_run(places);
    }

    /// Brings so many places at most further where they are found quickly; says whether all are.
    pub(super) fn merge_keys(&mut self, most: usize) -> bool {
        let Self { table, sorted_runs: order, .. } = self;
        order.merge(most, |(begins, number)| {
            table.get(number.0).is_some_and(|content| digest_head(&content.digest) == begins)
        })
    }

    /// Gives all contents their places, and gives room back that is not needed.
    pub(super) fn sort_all_keys(&mut self) {
        let place = |(number, content): (u32, &Content)| (digest_head(&content.digest), ContentNo(number));
        self.sorted_runs = SortedRuns::from_keys(self.table.iter().map(place).collect());
        self.hash_index.shrink(&self.table);
    }

    /// Makes room for so many more contents.
    pub(super) fn reserve(&mut self, more: usize) {
        self.hash_index.reserve(more, &self.table);
    }

    /// Returns the number of a content.
    #[cfg(test)]
    pub(crate) fn find(&self, digest: &Digest, size: u64) -> Option<ContentNo> {
        self.find_hashed(self.hash_index.hash(digest), digest, size)
    }

    /// Counts one less; a content that nobody has is forgotten.
    pub(super) fn release(&mut self, number: ContentNo) {
        let Some(content) = self.table.get_mut(number.0) else { return };
        if let Some(uses) = NonZeroU32::new(content.use_count.get() - 1) {
            content.use_count = uses;
            return;
        }
        let Some(content) = self.table.remove(number.0) else { return };
        self.bytes = self.bytes.saturating_sub(u128::from(content.size));
        self.sorted_runs.record_removed();
        self.hash_index.remove(self.hash_index.hash(content.digest), number.0);
    }

    /// Counts a name of a content in or out.
    pub(super) fn count_name(&mut self, number: ContentNo, named: bool) {
        if let Some(content) = self.table.get_mut(number.0) {
            content.name_count =
                if named { content.name_count + 1 } else { content.name_count.saturating_sub(1) };
        }
    }

    /// Returns how available searches are to take a content for.
    pub(super) fn rank_bound(&self, number: ContentNo) -> u64 {
        self.get(number).map_or(0, Content::rank_bound)
    }

    /// Counts a household of listed nodes that offers one share of a content instead of another.
    pub(super) fn update_availability(
        &mut self,
        number: ContentNo,
        before: Option<Share>,
        after: Option<Share>,
    ) {
        let Some(content) = self.table.get_mut(number.0) else { return };
        if let Some(share) = before {
            let count = content.availability.count_mut(share);
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

    /// Returns the contents with a digest, one for each size that is claimed.
    pub(crate) fn with_digest(&self, digest: Digest) -> impl Iterator<Item = ContentNo> {
        let numbers = self.hash_index.candidates(self.hash_index.hash(digest)).map(ContentNo);
        numbers.filter(move |number| self.get(*number).is_some_and(|content| content.digest == digest))
    }

    /// Returns the place of the next content not before another whose digest starts no higher than with `high`; that may be
    /// a content that is gone, and its number another's.
    pub(crate) fn next_by_digest(&self, from: DigestKey, high: DigestHead) -> Option<DigestKey> {
        self.sorted_runs.next(from, high)
    }

    /// Counts the contents whose digests start between two, and perhaps some that are gone.
    pub(crate) fn count_between(&self, low: DigestHead, high: DigestHead) -> usize {
        self.sorted_runs.count_between(low, high)
    }

    /// Says how many contents there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn find_hashed(&self, hash: u64, digest: &Digest, size: u64) -> Option<ContentNo> {
        let is_it = |number| self.table.get(number).is_some_and(|content| content.matches(digest, size));
        self.hash_index.find(hash, is_it).map(ContentNo)
    }

    /// Adds up their sizes.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }
}
