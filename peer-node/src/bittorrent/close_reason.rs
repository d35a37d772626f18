use std::io;
use std::time::Duration;

use protocol::bitfield::BitfieldError;
use protocol::bittorrent::BitTorrentMessageError;
use protocol::geometry::InvalidBlock;

/// A connection without any received data for this long is dead. Peers send keep-alives every two minutes.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(4);

/// Minimum rate of a block in bytes per second, and the time after which it is enforced.
pub(super) const MIN_BLOCK_RATE: (u64, Duration) = (1 << 10, Duration::from_secs(30));

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum CloseReason {
    #[error("protocol violation: {what}")]
    Violation { what: &'static str },
    #[error("protocol violation: {0}")]
    Message(#[from] BitTorrentMessageError),
    #[error("protocol violation: {0}")]
    NoSuchBlock(#[from] InvalidBlock),
    #[error("protocol violation: {0}")]
    Bitfield(#[from] BitfieldError),
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("no data for {} s", IDLE_TIMEOUT.as_secs())]
    IdleTimeout,
    #[error("slower than {} B/s", MIN_BLOCK_RATE.0)]
    TooSlow,
    #[error("both sides have everything")]
    BothComplete,
    #[error("the shared files have changed")]
    Withdrawn,
    #[error("there is another connection to the same peer")]
    Replaced,
    #[error("we closed the connection")]
    ClosedByUs,
    #[error("the peer closed the connection")]
    ClosedByPeer,
}

impl CloseReason {
    /// Returns true if the peer violated the protocol.
    pub(super) const fn is_violation(&self) -> bool {
        matches!(self, Self::Violation { .. } | Self::Message(_) | Self::NoSuchBlock(_) | Self::Bitfield(_))
    }

    /// Returns true if dialling the peer again may succeed.
    pub(super) const fn is_retryable(&self) -> bool {
        matches!(self, Self::Io(_) | Self::IdleTimeout | Self::TooSlow | Self::ClosedByPeer)
    }
}
