//! Why a session with the index failed or could not be established.

use std::io;
use std::time::Duration;

use protocol::frame::FrameError;
use protocol::index::{Refusal, RequestId};
use protocol::preamble::{PreambleError, Version};

/// Delay after another node connected with the same identity. Without it, the two nodes would keep replacing each other.
const REPLACED_DELAY: Duration = Duration::from_mins(5);

/// Maximum delay that an index may request.
const MAX_RETRY_DELAY: Duration = Duration::from_mins(10);

/// Why a session has ended. The texts are display-safe.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexSessionError {
    /// The host name of the index cannot be resolved.
    #[error("cannot resolve {address}: {source}")]
    Resolve {
        /// The configured address.
        address: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The connection cannot be established.
    #[error("cannot reach {address}: {source}")]
    Connect {
        /// The configured address.
        address: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The connection was lost.
    #[error("connection lost: {0}")]
    Broken(#[from] io::Error),
    /// The index closed the connection without giving a reason.
    #[error("the index closed the connection{}", if *greeted { "" } else { " during the handshake; is it a Peerdex index?" })]
    Closed {
        /// True if the index had sent its preamble.
        greeted: bool,
    },
    /// The index did not reply in time.
    #[error("timed out after {} s waiting for {waiting_for}", after.as_secs())]
    Silent {
        /// What did not arrive.
        waiting_for: &'static str,
        /// The timeout.
        after: Duration,
    },
    /// The index violated the protocol.
    #[error(transparent)]
    Violation(#[from] IndexViolation),
    /// The index refused the request.
    #[error("{0}")]
    Refused(Refusal),
    /// The index accepted another connection with this node's identity.
    #[error(
        "another node with the same identity has connected; if it is a copy of this one, give one of them a new \
         identity"
    )]
    Replaced,
    /// The index is shutting down.
    #[error("the index was shut down")]
    ShuttingDown,
}

/// How the index violated the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IndexViolation {
    /// The server is not a supported index.
    #[error("{}", preamble_message(.0))]
    Preamble(#[from] PreambleError),
    /// The index replied with a different version.
    #[error("{}", version_message(theirs.number()))]
    OtherVersion {
        /// The version of the index.
        theirs: Version,
    },
    /// The index sent an invalid frame.
    #[error("invalid message from the index: {0}")]
    Frame(#[from] FrameError),
    /// The index replied to a request that is not pending.
    #[error("the index replied to request {id}, which is not pending")]
    UnknownReply {
        /// The id of the reply.
        id: RequestId,
    },
    /// The reply is of the wrong kind.
    #[error("the index sent an unexpected reply (expected {expected})")]
    WrongReply {
        /// What was expected.
        expected: &'static str,
    },
    /// The reply exceeds a limit.
    #[error("the index sent {got} {what}, more than the limit of {limit}")]
    LimitExceeded {
        /// What exceeds the limit.
        what: &'static str,
        /// The number received.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The listing of a peer's files is invalid.
    #[error("the index sent an invalid listing: {reason}")]
    BadListing {
        /// What is wrong with it.
        reason: &'static str,
    },
}

fn preamble_message(error: &PreambleError) -> String {
    match error {
        PreambleError::NotPeerdex => "the server is not a Peerdex index".to_owned(),
        PreambleError::WrongService { .. } => "the server is a peer, not an index".to_owned(),
        PreambleError::UnsupportedVersion { theirs } => version_message(*theirs),
    }
}

fn version_message(theirs: u16) -> String {
    let latest = Version::LATEST.number();
    format!(
        "unsupported version: the index speaks version {theirs}, this program versions 1 to {latest}; upgrade the older \
         of the two"
    )
}

impl IndexSessionError {
    /// Returns the delay before the next attempt, where `usual` is the back-off's delay.
    pub(super) fn retry_delay(&self, usual: Duration) -> Duration {
        match self {
            Self::Replaced => REPLACED_DELAY,
            Self::Refused(Refusal::Busy { retry_after }) => {
                Duration::from_secs((*retry_after).into()).clamp(usual, MAX_RETRY_DELAY.max(usual))
            }
            _ => usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requested_delay_is_bounded() {
        let usual = Duration::from_secs(10);
        let busy = |retry_after| {
            IndexSessionError::Refused(Refusal::Busy { retry_after }).retry_delay(usual).as_secs()
        };
        assert_eq!((busy(0), busy(30), busy(u32::MAX)), (10, 30, 600));
        assert_eq!(IndexSessionError::ShuttingDown.retry_delay(usual), usual);
        assert_eq!(IndexSessionError::Replaced.retry_delay(usual), REPLACED_DELAY);
    }
}
