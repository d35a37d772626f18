use std::time::Duration;

use protocol::index::Refusal;

/// Why a request to the index failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// There is no connection, or it was lost before the reply arrived.
    #[error("no connection to the index: {reason}; reconnecting")]
    Offline {
        /// The connection status, display-safe.
        reason: String,
    },
    /// The index refused the request; the texts are display-safe.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The reply did not arrive in time.
    #[error("the index did not answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// The timeout.
        after: Duration,
    },
    /// The request exceeds the index's size limit.
    #[error("request too long for the index (limit: {limit} bytes)")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The index has not acknowledged the share list or not probed the node's port yet.
    #[error("not registered at the index within {} s: {why}", after.as_secs_f64())]
    Unsynced {
        /// The timeout.
        after: Duration,
        /// What is missing, display-safe.
        why: String,
    },
    /// The index does not support the request.
    #[error("the index is an older release and does not support this request")]
    Unsupported,
    /// The client has stopped.
    #[error("the node has closed its connection to the index")]
    Stopped,
}
