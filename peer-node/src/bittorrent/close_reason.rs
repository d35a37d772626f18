use std::io;
use std::time::Duration;

use protocol::bitfield::BitfieldError;
use protocol::bittorrent::BitTorrentMessageError;
use protocol::geometry::InvalidBlock;

/// A connection from which nothing at all came for so long is dead. Peers send something every two minutes.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(4);

/// A block that comes slower than this for so long ends the connection.
pub(super) const MIN_BLOCK_RATE: (u64, Duration) = (1 << 10, Duration::from_secs(30));

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum CloseReason {
    #[error("it broke the protocol: {what}")]
    Violation { what: &'static str },
    #[error("it broke the protocol: {0}")]
    Message(#[from] BitTorrentMessageError),
    #[error("it broke the protocol: {0}")]
    NoSuchBlock(#[from] InvalidBlock),
    #[error("it broke the protocol: {0}")]
    Bitfield(#[from] BitfieldError),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("nothing came for {} s", IDLE_TIMEOUT.as_secs())]
    IdleTimeout,
    #[error("it sends slower than {} B/s", MIN_BLOCK_RATE.0)]
    TooSlow,
    #[error("both sides have everything")]
    BothComplete,
    #[error("what is shared here has changed")]
    Withdrawn,
    #[error("there is another connection to the same peer")]
    Replaced,
    #[error("we closed the connection")]
    ClosedByUs,
    #[error("it closed the connection")]
    ClosedByPeer,
}

impl CloseReason {
    /// Says whether the other side broke the protocol.
    pub(super) const fn is_violation(&self) -> bool {
        matches!(self, Self::Violation { .. } | Self::Message(_) | Self::NoSuchBlock(_) | Self::Bitfield(_))
    }

    /// Says whether it is worth while to dial the peer again.
    pub(super) const fn is_retryable(&self) -> bool {
        matches!(self, Self::Io(_) | Self::IdleTimeout | Self::TooSlow | Self::ClosedByPeer)
    }
}
