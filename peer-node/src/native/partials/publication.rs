use std::sync::Arc;

use protocol::geometry::PieceIndex;
use tokio::sync::mpsc;

use super::{Partial, Partials};
use crate::native::PeerLink;

/// The peers that have opened a content that is on its way here, each over the connection at hand.
pub type Visitors = mpsc::Receiver<PeerLink>;

/// A download's side of a partial content. When it is dropped the content is no longer shared from here: if not all
/// pieces were verified by then, nobody is served any more; otherwise it is for the library to go on.
#[derive(Debug)]
pub struct Publication {
    partials: Partials,
    partial: Arc<Partial>,
}

impl Publication {
    pub(super) const fn new(partials: Partials, partial: Arc<Partial>) -> Self {
        Self { partials, partial }
    }

    /// Shares one more piece, which is verified and written.
    pub fn add_piece(&self, piece: PieceIndex) {
        self.partial.add_piece(piece);
    }

    /// Has the index told of the content, of which at least one piece is here.
    pub fn announce(&self) {
        if self.partial.announce() {
            self.partials.changed();
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.partial.end();
        self.partials.forget(&self.partial);
    }
}
