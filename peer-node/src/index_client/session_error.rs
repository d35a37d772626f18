//! Why a session at the index ends, or never begins.

use std::io;
use std::time::Duration;

use protocol::frame::FrameError;
use protocol::index::{Refusal, RequestId};
use protocol::preamble::{PreambleError, Version};

/// The pause after somebody else came with our identity, who would otherwise be thrown out in turn.
const REPLACED_DELAY: Duration = Duration::from_mins(5);

/// The longest pause that an index may ask for.
const MAX_RETRY_DELAY: Duration = Duration::from_mins(10);

/// Why a session is over. The words are fit to be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexSessionError {
    /// No address belongs to the index's name.
    #[error("cannot find the address of {address}: {source}")]
    Resolve {
        /// The name.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody listens there, or nobody lets us through.
    #[error("cannot reach {address}: {source}")]
    Connect {
        /// Where the index should be.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The other side closed the connection without a word.
    #[error("the index closed the connection{}", if *greeted { "" } else { " before greeting; is it a Peerdex index?" })]
    Closed {
        /// Whether it had said that it is an index.
        greeted: bool,
    },
    /// The other side takes too long.
    #[error("no answer while {waiting_for} for {} s", after.as_secs())]
    Silent {
        /// What did not come.
        waiting_for: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The other side broke the protocol.
    #[error(transparent)]
    Violation(#[from] IndexViolation),
    /// The index said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The index let somebody else in with our identity.
    #[error(
        "another node with the same identity took over; if it is a copy of this one, give one of them a new \
         identity"
    )]
    Replaced,
    /// The index is being stopped.
    #[error("the index was stopped")]
    ShuttingDown,
}

/// How the other side broke the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IndexViolation {
    /// It is not an index that we can talk to.
    #[error("{}", preamble_message(.0))]
    Preamble(#[from] PreambleError),
    /// It answers with a version that it was not called with.
    #[error("{}", version_message(theirs.number()))]
    OtherVersion {
        /// Its version.
        theirs: Version,
    },
    /// It does not send frames.
    #[error("the index sends {0}")]
    Frame(#[from] FrameError),
    /// It answers what was not asked.
    #[error("the index answers a question {id} that was not asked")]
    UnknownReply {
        /// The id it gave.
        id: RequestId,
    },
    /// It answers something else.
    #[error("the index answers something else than was asked for ({asked})")]
    WrongReply {
        /// What was asked for.
        asked: &'static str,
    },
    /// It sends more than was asked for.
    #[error("the index sends {got} {what} where {limit} were asked for")]
    LimitExceeded {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// How many it may send.
        limit: usize,
    },
    /// Its listing of a peer's files cannot be one.
    #[error("the index sends a listing that cannot be true: {reason}")]
    BadListing {
        /// What is wrong with it.
        reason: &'static str,
    },
}

fn preamble_message(error: &PreambleError) -> String {
    match error {
        PreambleError::NotPeerdex => "what listens there is not a Peerdex index".to_owned(),
        PreambleError::WrongService { .. } => "a peer listens there, not an index".to_owned(),
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
    /// Says how long to wait now, where the usual pause would be `usual`.
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
