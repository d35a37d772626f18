use std::sync::Arc;

use protocol::geometry::PieceIndex;
use tokio::sync::mpsc;

use super::{Partial, Partials};
use crate::native::PeerLink;

/// The peers that have opened a partial content, each with its link.
pub(crate) type Visitors = mpsc::Receiver<PeerLink>;

/// A download's handle to its partial content. Dropping it ends the publication: an incomplete content is withdrawn from all
/// peers, and a complete one is left to the library.
#[derive(Debug)]
pub(crate) struct Publication {
    partials: Partials,
    partial: Arc<Partial>,
}

impl Publication {
    pub(super) const fn new(partials: Partials, partial: Arc<Partial>) -> Self {
        Self { partials, partial }
    }

    /// Shares one more piece, which must be verified and written.
    pub(crate) fn add_piece(&self, piece: PieceIndex) {
        self.partial.add_piece(piece);
    }

    /// Announces the content to the index. At least one piece must be verified.
    pub(crate) fn announce(&self) {
        if self.partial.announce() {
            self.partials.changed();
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.partial.end();
        self.partials.remove(&self.partial);
    }
}
