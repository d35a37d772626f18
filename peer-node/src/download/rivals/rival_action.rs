use std::sync::Arc;

use protocol::geometry::{Block, PieceIndex};
use protocol::manifest::Manifest;
use swarm::SourceId;

/// An action for the session.
#[derive(Debug)]
pub(in crate::download) enum RivalAction {
    /// Request states of a source's manifest.
    RequestManifest { source: SourceId, first: u32, count: u32 },
    /// Fetch this piece of the current manifest before all others.
    Prioritise { piece: PieceIndex },
    /// Request a complete piece from a source.
    RequestPiece { source: SourceId, blocks: Vec<Block> },
    /// Disconnect a source that did not deliver; it may be retried later.
    Disconnect { source: SourceId, reason: &'static str },
    /// Ban a source that offers a refuted manifest.
    Ban { source: SourceId },
    /// Replace the current manifest, which is refuted, by this proven one.
    Adopt { manifest: Arc<Manifest> },
}
