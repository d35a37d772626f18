use protocol::geometry::{Block, PieceIndex};
use tokio::sync::mpsc;

use super::wire::PeerWire;
use crate::transport::Buffer;
use swarm::{Have, SourceId};

/// What a connection of a torrent says, or what becomes of it.
#[derive(Debug)]
pub enum WireEvent {
    /// A peer takes part: always the first event of a connection. It comes with the first thing that the peer says, or when
    /// it has said nothing for a while.
    Joined {
        /// The connection.
        wire: PeerWire,
        /// The pieces that it has.
        have: Have,
        /// Whether it serves no request at the moment.
        choked: bool,
    },
    /// It has one more piece.
    Has {
        /// Which.
        piece: PieceIndex,
    },
    /// It has said how many requests may wait there.
    RequestLimit {
        /// How many.
        requests: usize,
    },
    /// It serves no request from now on. What it still owes is rejected, at once or piece by piece.
    Choked,
    /// It serves requests from now on.
    Unchoked,
    /// Some bytes of a block that takes long.
    Bytes {
        /// How many, since this was last said: 0 if requests wait behind what is sent to the peer, so that no answer says
        /// nothing of it.
        count: u64,
    },
    /// Whole blocks that it was asked for, in the order in which they came.
    Blocks {
        /// Each with its bytes.
        blocks: Vec<(Block, Buffer)>,
        /// The bytes that were not told of yet.
        count: u64,
    },
    /// Blocks that it was asked for and will not send. Every request has exactly one answer, a block or a rejection, unless
    /// the connection is lost before.
    Rejected(Vec<Block>),
    /// The connection is gone: always the last event.
    Disconnected {
        /// Why.
        reason: String,
        /// Whether it is worth while to dial the peer again.
        can_retry: bool,
    },
}

/// Where events of many connections come together, each under its number.
pub(super) type WireEventSender = mpsc::Sender<(SourceId, WireEvent)>;
