use bincode::{Decode, Encode};

use crate::units::DisplaySize;

/// Why the index does not do what was asked. Of those marked final, the connection is closed behind them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no message (final).
    #[error("the index could not read the message: {reason}")]
    Malformed {
        /// What is wrong with them.
        reason: String,
    },
    /// The message is not one for this moment, such as a search before the greeting (final).
    #[error("the message came out of order: {expected} was expected")]
    OutOfOrder {
        /// What was expected.
        expected: String,
    },
    /// The signature is not one of the key that is the node's id (final).
    #[error("the node could not prove that its identity is its own")]
    BadProof,
    /// The listening port is one that no peer may claim (final).
    #[error("port {port} cannot be registered; choose another one")]
    BadPort {
        /// The port.
        port: u16,
    },
    /// The search text could not be understood.
    #[error("{reason}")]
    BadQuery {
        /// What is wrong with it.
        reason: String,
    },
    /// A record of a registration cannot be believed; nothing of that registration was taken.
    #[error("the index refuses {path:?}: {reason}")]
    BadRecord {
        /// The path of the record, escaped.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There are more than so many; nothing was taken.
    #[error("too many {what}: the limit is {limit}")]
    TooMany {
        /// Of what.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// No node of that id or address is known.
    #[error("no such peer is known to the index")]
    NoSuchPeer,
    /// The index has no room for another connection (final).
    #[error("the index is full; try again in {retry_after} s")]
    Busy {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// The index cannot write to its disk; searches go on.
    #[error("the index cannot store registrations at the moment; it will be told again")]
    StoreUnavailable,
    /// The node, or all at its address together, ask for more in a second than they may; nothing was done.
    #[error("too many requests; try again in {} s", f64::from(*.retry_after) / 1000.0)]
    TooFast {
        /// Milliseconds to wait.
        retry_after: u32,
    },
    /// The index does not serve this address or this node (final).
    #[error("the index does not serve this {what}")]
    NotAllowed {
        /// Whether it is the address or the node.
        what: String,
    },
    /// The index does not know this kind of request. Only on connections of version 2.
    #[error("the index does not support requests of kind {kind}; it may be an older release")]
    Unsupported {
        /// The number of the kind.
        kind: u32,
    },
    /// The files would take more bytes than a budget has; nothing was taken. Only to nodes that announce
    /// [`IndexFeatures::BUDGETS`](crate::features::IndexFeatures::BUDGETS).
    #[error("{what} would take {} of at most {}", DisplaySize(*.wanted), DisplaySize(*.limit))]
    OverBudget {
        /// What has the budget: the list of the node, for one.
        what: String,
        /// The bytes that it would take with the files.
        wanted: u64,
        /// The bytes that it may take.
        limit: u64,
    },
}
