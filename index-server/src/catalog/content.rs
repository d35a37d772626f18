//! The contents that somebody shares.

use std::collections::BTreeMap;

use protocol::digest::Digest;

use crate::slab::Slab;

/// A content's number in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ContentNo(pub(crate) u32);

/// A content as nodes describe it. The index cannot check a size, so the same digest with another size is another
/// content: who lies about one disturbs nobody who doesn't.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// How many files of all lists have it.
    uses: u32,
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
        let number = ContentNo(self.table.insert(Content { digest, size, uses: 1 })?);
        self.by_digest.insert((digest, size), number);
        self.bytes += u128::from(size);
        Some(number)
    }

    /// Counts one less; a content that nobody has is forgotten.
    pub(super) fn release(&mut self, number: ContentNo) {
        let Some(content) = self.table.get_mut(number.0) else { return };
        content.uses = content.uses.saturating_sub(1);
        if content.uses > 0 {
            return;
        }
        let (digest, size) = (content.digest, content.size);
        self.bytes = self.bytes.saturating_sub(u128::from(size));
        self.by_digest.remove(&(digest, size));
        self.table.remove(number.0);
    }

    /// Returns a content.
    pub(crate) fn get(&self, number: ContentNo) -> Option<&Content> {
        self.table.get(number.0)
    }

    /// Returns the contents with a digest: one for each size that is claimed.
    pub(crate) fn with_digest(&self, digest: Digest) -> impl Iterator<Item = ContentNo> {
        self.by_digest.range((digest, 0)..=(digest, u64::MAX)).map(|(_, number)| *number)
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
