use protocol::geometry::{Block, PieceIndex};
use tokio::sync::mpsc;

use super::wire::PeerWire;
use crate::transport::Buffer;
use swarm::{Have, SourceId};

/// An event of one connection.
#[derive(Debug)]
pub(crate) enum WireEvent {
    /// The peer has joined: the first event of every connection. Sent with the peer's first message, or after a timeout
    /// if it sends none.
    Joined {
        /// The connection.
        wire: PeerWire,
        /// The pieces that the peer has.
        have: Have,
        /// True if the peer chokes us.
        choked: bool,
    },
    /// The peer has one more piece.
    Has {
        /// The piece.
        piece: PieceIndex,
    },
    /// The peer has announced how many requests it queues (reqq).
    RequestLimit {
        /// Maximum number of outstanding requests.
        requests: usize,
    },
    /// The peer has choked us. Outstanding requests are rejected, at once or one by one.
    Choked,
    /// The peer has unchoked us.
    Unchoked,
    /// Progress of a slow block.
    Bytes {
        /// Bytes received since the last report; 0 if our requests wait behind data being sent to the peer, so that a
        /// missing answer is not held against it.
        count: u64,
    },
    /// Requested blocks that are complete, in order of arrival.
    Blocks {
        /// The blocks with their bytes.
        blocks: Vec<(Block, Buffer)>,
        /// Bytes not reported yet.
        count: u64,
    },
    /// Requested blocks that the peer will not send. Every request gets exactly one answer, a block or a rejection,
    /// unless the connection is lost first.
    Rejected(Vec<Block>),
    /// The connection is closed: always the last event.
    Disconnected {
        /// The reason.
        reason: String,
        /// True if dialling the peer again may succeed.
        can_retry: bool,
    },
}

/// Carries the events of many connections, each with its source number.
pub(super) type WireEventSender = mpsc::Sender<(SourceId, WireEvent)>;
