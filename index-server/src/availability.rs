//! How available a content is.

use protocol::index::Share;

/// The number of address groups of online nodes that have a content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Availability {
    pub(crate) complete: u32,
    pub(crate) partial: u32,
}

impl Availability {
    /// Returns the counter for a share.
    pub(crate) const fn count_mut(&mut self, share: Share) -> &mut u32 {
        match share {
            Share::Complete => &mut self.complete,
            Share::Partial => &mut self.partial,
        }
    }

    /// Returns a rank that is higher for more available contents: complete sources count first, then partial ones.
    pub(crate) fn rank(self) -> u64 {
        u64::from(self.complete) << 32 | u64::from(self.partial)
    }
}
