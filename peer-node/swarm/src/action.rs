use protocol::geometry::{Block, PieceIndex};

use super::source::{DisconnectReason, SourceId};

/// An action for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwarmAction {
    /// Request a block from a source.
    Request {
        /// The source.
        source: SourceId,
        /// The block.
        block: Block,
    },
    /// Cancel a request that is no longer needed.
    Cancel {
        /// The source.
        source: SourceId,
        /// The block.
        block: Block,
    },
    /// Verify and store a complete piece, then report with [`Swarm::piece_checked`](super::Swarm::piece_checked).
    Verify {
        /// The piece.
        piece: PieceIndex,
    },
    /// Send our interest to a source. New sources are assumed to be interesting.
    Interest {
        /// The source.
        source: SourceId,
        /// Whether the source has anything that is missing here.
        on: bool,
    },
    /// Drop the blocks of a piece that no source continues; the piece will be started again.
    Drop {
        /// The piece.
        piece: PieceIndex,
    },
    /// Disconnect a source, which the engine has already removed.
    Disconnect {
        /// The source.
        source: SourceId,
        /// The reason.
        reason: DisconnectReason,
    },
}
