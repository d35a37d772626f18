//! The contents that somebody shares.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use protocol::digest::Digest;
use protocol::index::Share;

use crate::ranking::Availability;
use crate::slab::Slab;

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
    /// How many listed nodes have it.
    pub(crate) available: Availability,
}

/// A content with more names than this counts as available as can be where searches pass over what is not available
/// enough, so that nobody has to tell all its names when a node comes or goes.
const CROWDED: u32 = 1024;

impl Content {
    /// Returns how available searches are to take it for until they look at it itself.
    pub(super) fn peak(&self) -> u64 {
        if self.names > CROWDED { u64::MAX } else { self.available.rank() }
    }
}

/// All contents, by number and by digest.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    table: Slab<Content>,
    by_digest: BTreeMap<(Digest, u64), ContentNo>,
    bytes: u128,
}

impl Contents {
    /// Counts one more file with a content, and returns the content's number.
    pub(super) fn hold(&mut self, digest: Digest, size: u64) -> Option<ContentNo> {
        if let Some(number) = self.by_digest.get(&(digest, size)) {
            let content = self.table.get_mut(number.0)?;
            content.uses = content.uses.checked_add(1)?;
            return Some(*number);
        }
        let (uses, available) = (NonZeroU32::MIN, Availability::default());
        let number = ContentNo(self.table.insert(Content { digest, size, uses, names: 0, available })?);
        self.by_digest.insert((digest, size), number);
        self.bytes += u128::from(size);
        Some(number)
    }

    /// Counts one less; a content that nobody has is forgotten.
    pub(super) fn release(&mut self, number: ContentNo) {
        let Some(content) = self.table.get_mut(number.0) else { return };
        if let Some(uses) = NonZeroU32::new(content.uses.get() - 1) {
            content.uses = uses;
            return;
        }
        let (digest, size) = (content.digest, content.size);
        self.bytes = self.bytes.saturating_sub(u128::from(size));
        self.by_digest.remove(&(digest, size));
        self.table.remove(number.0);
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

    /// Counts a listed node that offers one share of a content instead of another.
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

    /// Returns the contents with a digest: one for each size that is claimed.
    pub(crate) fn with_digest(&self, digest: Digest) -> impl Iterator<Item = ContentNo> {
        self.by_digest.range((digest, 0)..=(digest, u64::MAX)).map(|(_, number)| *number)
    }

    /// Returns the first content of a range of digests and sizes, and what it has of both.
    pub(crate) fn first_in(&self, low: (Digest, u64), high: Digest) -> Option<((Digest, u64), ContentNo)> {
        self.by_digest.range(low..=(high, u64::MAX)).next().map(|(key, number)| (*key, *number))
    }

    /// Counts the contents in a range of digests, but no more than `most`.
    pub(crate) fn count_in(&self, low: Digest, high: Digest, most: usize) -> usize {
        self.by_digest.range((low, 0)..=(high, u64::MAX)).take(most).count()
    }

    /// Says how many contents there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Adds up their sizes.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }
}
