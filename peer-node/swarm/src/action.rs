use protocol::geometry::{Block, PieceIndex};

use super::source::{DisconnectReason, SourceId};

/// What the driver shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwarmAction {
    /// Ask a source for a block.
    Request {
        /// Whom.
        source: SourceId,
        /// For what.
        block: Block,
    },
    /// Tell a source that a block it was asked for is no longer wanted.
    Cancel {
        /// Whom.
        source: SourceId,
        /// What.
        block: Block,
    },
    /// All blocks of a piece are here: verify it, store it, and report with [`TrackedSwarm::piece_checked`](super::Swarm::piece_checked).
    Verify {
        /// Which.
        piece: PieceIndex,
    },
    /// Tell a source whether it has anything that is missing here. One that has just joined is taken to have something.
    Interest {
        /// Whom.
        source: SourceId,
        /// Whether it does.
        on: bool,
    },
    /// Forget the blocks of a piece that nobody goes on with; it will be begun anew.
    Drop {
        /// Which.
        piece: PieceIndex,
    },
    /// Part with a source, which the engine has forgotten already.
    Disconnect {
        /// Whom.
        source: SourceId,
        /// Why.
        reason: DisconnectReason,
    },
}
