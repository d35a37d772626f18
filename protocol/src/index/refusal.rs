use bincode::{Decode, Encode};

use crate::units::DisplaySize;

/// Why the index refuses a request. After a refusal marked final, the index closes the connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not a message (final).
    #[error("the index could not read the message: {reason}")]
    Malformed {
        /// What is wrong with the bytes.
        reason: String,
    },
    /// The message is not allowed in this state, such as a search before the greeting (final).
    #[error("message out of order: expected {expected}")]
    OutOfOrder {
        /// The expected message.
        expected: String,
    },
    /// The signature does not match the key that is the node's id (final).
    #[error("the node could not prove its identity")]
    BadProof,
    /// No peer may claim this listening port (final).
    #[error("port {port} cannot be registered; choose another one")]
    BadPort {
        /// The port.
        port: u16,
    },
    /// The search text is invalid.
    #[error("{reason}")]
    BadQuery {
        /// What is wrong with the text.
        reason: String,
    },
    /// A record of a registration is invalid; the whole registration was rejected.
    #[error("the index refuses {path:?}: {reason}")]
    BadRecord {
        /// The record's path, escaped.
        path: String,
        /// What is wrong with the record.
        reason: String,
    },
    /// A count is over its limit; the whole request was rejected.
    #[error("too many {what}: the limit is {limit}")]
    TooMany {
        /// What is counted.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The index knows no node with this id or address.
    #[error("the index knows no such peer")]
    NoSuchPeer,
    /// The index has reached its connection limit (final).
    #[error("the index is full; try again in {retry_after} s")]
    Busy {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// The index cannot write to its disk; searches still work.
    #[error("the index cannot store registrations at the moment; retrying automatically")]
    StoreUnavailable,
    /// The node, or all nodes at its address together, exceeded the request rate; the request was not executed.
    #[error("too many requests; try again in {} s", f64::from(*.retry_after) / 1000.0)]
    TooFast {
        /// Milliseconds to wait.
        retry_after: u32,
    },
    /// The index does not serve this address or this node (final).
    #[error("the index does not serve this {what}")]
    NotAllowed {
        /// What is blocked: the address or the node.
        what: String,
    },
    /// The index does not know this kind of request (version 2 only).
    #[error("the index does not support requests of kind {kind}; it may be an older release")]
    Unsupported {
        /// The unknown kind.
        kind: u32,
    },
    /// The files would exceed a byte budget; the whole registration was rejected. Only sent to nodes that announce
    /// [`IndexFeatures::BUDGETS`](crate::features::IndexFeatures::BUDGETS).
    #[error("{what} would take {} of at most {}", DisplaySize(*.wanted), DisplaySize(*.limit))]
    OverBudget {
        /// What the budget applies to, such as the node's list.
        what: String,
        /// The bytes needed with the files.
        wanted: u64,
        /// The budget in bytes.
        limit: u64,
    },
}
