//! The contents that somebody shares.

use std::hash::BuildHasher as _;
use std::num::NonZeroU32;

use protocol::digest::Digest;
use protocol::index::{FileRecord, Share};

use super::order::{Order, Place};
use crate::keyed::Keyed;
use crate::numbers::{Meaning, Numbers};
use crate::ranking::Availability;
use crate::slab::Slab;

/// A content with more names than this counts as available as can be where searches pass over what is not available
/// enough, so that nobody has to tell all its names when a node comes or goes.
const CROWDED: u32 = 1024;

/// A content's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ContentNo(pub(crate) u32);

/// A content as nodes describe it. The index cannot check a size, so the same digest with another size is another
/// content: who lies about one disturbs nobody who doesn't.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// How many files of all lists have it.
    uses: NonZeroU32,
    /// Under how many names that is.
    names: u32,
    /// How many households of listed nodes have it.
    pub(crate) available: Availability,
}

impl Meaning for Slab<Content> {
    fn hash(&self, number: u32, hasher: &Keyed) -> u64 {
        self.get(number).map_or(0, |content| hasher.hash_one(content.digest))
    }

    fn byte(&self, number: u32) -> u8 {
        self.get(number).and_then(|content| content.digest.as_bytes().first().copied()).unwrap_or_default()
    }
}

impl Content {
    fn is(&self, digest: &Digest, size: u64) -> bool {
        self.digest == *digest && self.size == size
    }

    /// Says whether it has one name only.
    pub(crate) const fn has_one_name(&self) -> bool {
        self.names == 1
    }

    /// Returns how available searches are to take it for until they look at it itself.
    pub(super) fn peak(&self) -> u64 {
        if self.names > CROWDED { u64::MAX } else { self.available.rank() }
    }
}

/// The first four bytes of a digest: enough to tell almost all contents apart.
pub(crate) type Start = u32;

/// Returns how a digest starts.
pub(crate) fn start(digest: &Digest) -> Start {
    digest.as_bytes().first_chunk().copied().map_or(0, Start::from_be_bytes)
}

/// All contents, by number, by digest, and in the order in which their digests start. Digests stand in the table
/// alone: the ways to them take a third of what they would take with digests in them.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    table: Slab<Content>,
    numbers: Numbers,
    order: Order,
    bytes: u128,
}

impl Contents {
    /// Counts one more file with a content, and returns the content's number; one that is new has no place in the order yet.
    pub(super) fn hold(&mut self, digest: Digest, size: u64) -> Option<ContentNo> {
        let hash = self.numbers.hash(digest);
        if let Some(ContentNo(number)) = self.find_hashed(hash, &digest, size) {
            let content = self.table.get_mut(number)?;
            content.uses = content.uses.checked_add(1)?;
            return Some(ContentNo(number));
        }
        let (uses, available) = (NonZeroU32::MIN, Availability::default());
        let number = self.table.insert(Content { digest, size, uses, names: 0, available })?;
        self.numbers.insert(hash, number, &self.table);
        self.bytes += u128::from(size);
        Some(ContentNo(number))
    }

    /// Fetches at once from memory what [`Contents::hold`] looks at.
    pub(super) fn bring_near(&self, files: &[FileRecord]) {
        self.numbers.bring_near(files.iter().map(|file| self.numbers.hash(file.digest)));
    }

    /// Returns where a content belongs in the order in which digests start.
    pub(super) fn place(&self, number: ContentNo) -> Option<Place> {
        self.get(number).map(|content| (start(&content.digest), number))
    }

    /// Gives contents their places, which are sorted; those that have them already may be among them.
    /// [`Contents::settle_order`] is to follow.
    pub(super) fn put_in_order(&mut self, places: Vec<Place>) {
        self.order.add(places);
    }

    /// Brings so many places at most further where they are found quickly; says whether all are.
    pub(super) fn settle_order(&mut self, most: usize) -> bool {
        let Self { table, order, .. } = self;
        order.settle(most, |(begins, number)| {
            table.get(number.0).is_some_and(|content| start(&content.digest) == begins)
        })
    }

    /// Gives all contents their places, and gives room back that is not needed.
    pub(super) fn put_all_in_order(&mut self) {
        let place = |(number, content): (u32, &Content)| (start(&content.digest), ContentNo(number));
        self.order = Order::of(self.table.iter().map(place).collect());
        self.numbers.shrink(&self.table);
    }

    /// Makes room for so many more contents.
    pub(super) fn reserve(&mut self, more: usize) {
        self.numbers.reserve(more, &self.table);
    }

    /// Returns the number of a content.
    #[cfg(test)]
    pub(crate) fn find(&self, digest: &Digest, size: u64) -> Option<ContentNo> {
        self.find_hashed(self.numbers.hash(digest), digest, size)
    }

    /// Counts one less; a content that nobody has is forgotten.
    pub(super) fn release(&mut self, number: ContentNo) {
        let Some(content) = self.table.get_mut(number.0) else { return };
        if let Some(uses) = NonZeroU32::new(content.uses.get() - 1) {
            content.uses = uses;
            return;
        }
        let Some(content) = self.table.remove(number.0) else { return };
        self.bytes = self.bytes.saturating_sub(u128::from(content.size));
        self.order.forget();
        self.numbers.remove(self.numbers.hash(content.digest), number.0);
    }

    /// Counts a name of a content in or out.
    pub(super) fn name(&mut self, number: ContentNo, named: bool) {
        if let Some(content) = self.table.get_mut(number.0) {
            content.names = if named { content.names + 1 } else { content.names.saturating_sub(1) };
        }
    }

    /// Returns how available searches are to take a content for.
    pub(super) fn peak(&self, number: ContentNo) -> u64 {
        self.get(number).map_or(0, Content::peak)
    }

    /// Counts a household of listed nodes that offers one share of a content instead of another.
    pub(super) fn shift(&mut self, number: ContentNo, before: Option<Share>, after: Option<Share>) {
        let Some(content) = self.table.get_mut(number.0) else { return };
        if let Some(share) = before {
            let count = content.available.of(share);
            *count = count.saturating_sub(1);
        }
        if let Some(share) = after {
            *content.available.of(share) += 1;
        }
    }

    /// Returns a content.
    pub(crate) fn get(&self, number: ContentNo) -> Option<&Content> {
        self.table.get(number.0)
    }

    /// Returns the contents with a digest, one for each size that is claimed.
    pub(crate) fn with_digest(&self, digest: Digest) -> impl Iterator<Item = ContentNo> {
        let numbers = self.numbers.all(self.numbers.hash(digest)).map(ContentNo);
        numbers.filter(move |number| self.get(*number).is_some_and(|content| content.digest == digest))
    }

    /// Returns the place of the next content not before another whose digest starts no higher than with `high`; that may be
    /// a content that is gone, and its number another's.
    pub(crate) fn next_in_order(&self, from: Place, high: Start) -> Option<Place> {
        self.order.next(from, high)
    }

    /// Counts the contents whose digests start between two, and perhaps some that are gone.
    pub(crate) fn count_between(&self, low: Start, high: Start) -> usize {
        self.order.count_between(low, high)
    }

    /// Says how many contents there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn find_hashed(&self, hash: u64, digest: &Digest, size: u64) -> Option<ContentNo> {
        let is_it = |number| self.table.get(number).is_some_and(|content| content.is(digest, size));
        self.numbers.find(hash, is_it).map(ContentNo)
    }

    /// Adds up their sizes.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }
}
