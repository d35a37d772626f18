//! How available a content is.

use protocol::index::Share;

/// How many households of nodes that are there have a content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Availability {
    pub(crate) complete: u32,
    pub(crate) partial: u32,
}

impl Availability {
    /// Returns the count of one share.
    pub(crate) const fn count_mut(&mut self, share: Share) -> &mut u32 {
        match share {
            Share::Complete => &mut self.complete,
            Share::Partial => &mut self.partial,
        }
    }

    /// Returns a number that is higher for what is more available: whole sources count first, then partial ones.
    pub(crate) fn rank(self) -> u64 {
        u64::from(self.complete) << 32 | u64::from(self.partial)
    }
}
