use std::time::Duration;

use protocol::index::Refusal;

/// Why a question to the index has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// There is no connection, or it broke before the answer came.
    #[error("no connection to the index: {reason}; it is tried again by itself")]
    Offline {
        /// What the status says, in words fit to be shown.
        reason: String,
    },
    /// The index said no; the words in it are fit to be shown.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer did not come in time.
    #[error("the index did not answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The question is longer than any index would read.
    #[error("that is too long for the index: it reads {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The share list is not with the index yet, or the index has not called our port back yet.
    #[error("not registered at the index within {} s: {why}", after.as_secs_f64())]
    Unsynced {
        /// How long it was waited for.
        after: Duration,
        /// What is missing, in words fit to be shown.
        why: String,
    },
    /// The index does not have the feature.
    #[error("the index is an older release and cannot answer that")]
    Unsupported,
    /// The client was stopped.
    #[error("the connection to the index is closed for good")]
    Stopped,
}
