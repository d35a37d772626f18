use std::io;
use std::time::Duration;

use protocol::bitfield::BitfieldError;
use protocol::configured::{ConfiguredMessageError, Framing};

/// Minimum rate of a piece in bytes per second, and the time after which it is enforced.
pub(super) const MIN_RATE: (u64, Duration) = (1 << 10, Duration::from_secs(30));

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupDisconnectReason {
    #[error("protocol violation: {what}")]
    Violation { what: &'static str },
    #[error("protocol violation: {0}")]
    Message(#[from] ConfiguredMessageError),
    #[error("protocol violation: {0}")]
    Bitfield(#[from] BitfieldError),
    #[error("it uses {theirs} framing")]
    OtherFraming { theirs: Framing },
    #[error("connection lost: {0}")]
    Io(#[from] io::Error),
    #[error("slower than {} B/s", MIN_RATE.0)]
    TooSlow,
    #[error("it stopped sending")]
    Stalled,
    #[error("there is another connection to the same peer")]
    Replaced,
    #[error("we closed the connection")]
    ClosedByUs,
    #[error("the peer closed the connection")]
    ClosedByPeer,
}

impl GroupDisconnectReason {
    /// Returns true if the peer is at fault.
    pub(super) const fn is_peer_at_fault(&self) -> bool {
        matches!(
            self,
            Self::Violation { .. } | Self::Message(_) | Self::Bitfield(_) | Self::TooSlow | Self::Stalled
        )
    }
}
