use std::io;
use std::time::Duration;

use protocol::bitfield::BitfieldError;
use protocol::configured::{ConfiguredMessageError, Framing};

/// A piece that comes slower than this for so long ends the connection.
pub(super) const MIN_RATE: (u64, Duration) = (1 << 10, Duration::from_secs(30));

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupDisconnectReason {
    #[error("it broke the protocol: {what}")]
    Violation { what: &'static str },
    #[error("it broke the protocol: {0}")]
    Message(#[from] ConfiguredMessageError),
    #[error("it broke the protocol: {0}")]
    Bitfield(#[from] BitfieldError),
    #[error("its lengths are {theirs} (--framing {theirs} speaks so from the beginning)")]
    OtherFraming { theirs: Framing },
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("it sends slower than {} B/s", MIN_RATE.0)]
    TooSlow,
    #[error("it stopped sending")]
    Stalled,
    #[error("there is another connection to the same peer")]
    Replaced,
    #[error("we closed the connection")]
    ClosedByUs,
    #[error("it closed the connection")]
    ClosedByPeer,
}

impl GroupDisconnectReason {
    /// Says whether it is the other side's fault.
    pub(super) const fn is_peer_at_fault(&self) -> bool {
        matches!(
            self,
            Self::Violation { .. } | Self::Message(_) | Self::Bitfield(_) | Self::TooSlow | Self::Stalled
        )
    }
}
