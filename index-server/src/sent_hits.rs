//! The hits that earlier pages of a search have sent, as recorded in the cursor.
//!
//! The order of hits changes between pages, since nodes come and go. So a cursor is not a position in that order but the set of
//! hits sent, and each page contains the best of the rest: no hit is repeated, and none that stays available is skipped.

use std::collections::HashSet;

use protocol::limits::MAX_CURSOR_HITS;
use protocol::sha256::sha256;

use crate::catalog::Content;
use crate::request::SentMarks;

/// The contents that were sent.
#[derive(Debug, Default)]
pub(crate) struct SentHits {
    marks: HashSet<u64>,
    in_order: SentMarks,
}

impl SentHits {
    pub(crate) fn new(in_order: SentMarks) -> Self {
        Self { marks: in_order.as_slice().iter().copied().collect(), in_order }
    }

    /// Returns true if a content was sent.
    pub(crate) fn contains(&self, content: &Content) -> bool {
        !self.marks.is_empty() && self.marks.contains(&mark(content))
    }

    /// Adds a page of contents; returns the position behind it, or `None` if the maximum is reached.
    pub(crate) fn extended_by<'a>(mut self, page: impl Iterator<Item = &'a Content>) -> Option<SentMarks> {
        self.in_order.extend(page.map(mark));
        (self.in_order.as_slice().len() < MAX_CURSOR_HITS).then_some(self.in_order)
    }
}

/// Returns the first eight bytes of a hash of digest and size. Unlike parts of a digest, these cannot be chosen to collide with
/// the mark of another content.
fn mark(content: &Content) -> u64 {
    let mut bytes = [0; 40];
    let (digest, size) = bytes.split_at_mut(32);
    digest.copy_from_slice(content.digest.as_bytes());
    size.copy_from_slice(&content.size.to_be_bytes());
    let hash = sha256(&bytes);
    let (first, _) = hash.as_bytes().split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*first)
}
