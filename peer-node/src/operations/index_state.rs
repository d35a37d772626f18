//! The connection to the index, and how the index sees this node.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::Operations;
use super::display_text::DisplayText;
use crate::addresses::{ListenerFault, listener_fault};
use crate::discovery::index_client::{IndexStatus, Reachability, SyncProblem};

/// The state of the connection to the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct IndexState {
    /// The state.
    #[serde(flatten)]
    pub(crate) connection: IndexConnection,
    /// The state in one sentence.
    pub(crate) message: DisplayText,
}

/// A connection to the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum IndexConnection {
    /// Connecting.
    Connecting {
        /// Number of the attempt since the last connection, from 1.
        attempt: u32,
    },
    /// Disconnected; the next attempt starts automatically.
    Offline {
        /// The reason.
        error: DisplayText,
    },
    /// Connected and accepted by the index.
    Online {
        /// The address at which the index sees this node.
        seen_address: SocketAddr,
        /// Whether other nodes can reach this one at that address.
        reachability: NodeReachability,
        /// Number of files that the index has acknowledged.
        registered: u32,
        /// True if the index has acknowledged exactly the files that are shared.
        is_synced: bool,
        /// Why some files are not registered.
        problem: Option<RegistrationProblem>,
    },
    /// The node is stopping.
    Stopped,
}

/// Whether other nodes can reach this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum NodeReachability {
    /// The index has not tried yet.
    Unknown,
    /// They can.
    Reachable,
    /// They cannot, and the node's files are not listed.
    Unreachable(UnreachableCause),
}

/// Why other nodes cannot reach this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub(crate) enum UnreachableCause {
    /// The node listens on the loopback interface only.
    LoopbackListener {
        /// The address of the listener.
        listening: IpAddr,
    },
    /// The node listens on another address than the one at which the index sees it.
    OtherListener {
        /// The address of the listener.
        listening: IpAddr,
        /// The address that the index sees.
        seen: IpAddr,
    },
    /// The probe of the index failed.
    ProbeFailed {
        /// What happened.
        reason: DisplayText,
    },
}

/// Why the index does not have all shared files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RegistrationProblem {
    /// The kind of problem.
    #[serde(flatten)]
    pub(crate) kind: RegistrationProblemKind,
    /// The problem in one sentence.
    pub(crate) message: DisplayText,
}

/// Kinds of problems with the registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum RegistrationProblemKind {
    /// A limit of the index is exhausted, by number of entries or by bytes. What is beyond it is not registered.
    OverLimit {
        /// What the limit is for.
        what: DisplayText,
        /// The limit.
        limit: u64,
    },
    /// The index cannot write to its disk.
    StoreUnavailable,
    /// The index has a different list; it is sent again later.
    Mismatch,
    /// The index does not accept some files.
    FilesRefused {
        /// Number of files.
        files: usize,
    },
}

impl IndexState {
    /// Describes the status of a node that listens at `own`.
    pub(super) fn new(own: SocketAddr, status: &IndexStatus) -> Self {
        let connection = match status {
            IndexStatus::Connecting { attempt } => IndexConnection::Connecting { attempt: *attempt },
            IndexStatus::Offline { error, .. } => IndexConnection::Offline { error: DisplayText::new(error) },
            IndexStatus::Online { seen_address, reachable, registered, synced, trouble, .. } => {
                IndexConnection::Online {
                    seen_address: *seen_address,
                    reachability: NodeReachability::new(own, *seen_address, reachable),
                    registered: *registered,
                    is_synced: *synced,
                    problem: trouble.as_ref().map(RegistrationProblem::from),
                }
            }
            IndexStatus::Stopped => IndexConnection::Stopped,
        };
        Self { connection, message: DisplayText::from_message(status) }
    }
}

impl NodeReachability {
    /// Describes the result of the index's probe. A listener that others cannot reach is blamed before a firewall.
    pub(super) fn new(own: SocketAddr, seen: SocketAddr, reachable: &Reachability) -> Self {
        let reason = match reachable {
            Reachability::Unknown => return Self::Unknown,
            Reachability::Yes => return Self::Reachable,
            Reachability::No { reason } => DisplayText::new(reason),
        };
        Self::Unreachable(match listener_fault(own, seen) {
            Some(ListenerFault::LoopbackOnly) => UnreachableCause::LoopbackListener { listening: own.ip() },
            Some(ListenerFault::OtherAddress) => {
                UnreachableCause::OtherListener { listening: own.ip(), seen: seen.ip() }
            }
            None => UnreachableCause::ProbeFailed { reason },
        })
    }
}

impl From<&SyncProblem> for RegistrationProblem {
    fn from(problem: &SyncProblem) -> Self {
        let kind = match problem {
            SyncProblem::TooMany { what, limit } | SyncProblem::OverBudget { what, limit, .. } => {
                RegistrationProblemKind::OverLimit { what: DisplayText::new(what), limit: *limit }
            }
            SyncProblem::StoreUnavailable => RegistrationProblemKind::StoreUnavailable,
            SyncProblem::Mismatch => RegistrationProblemKind::Mismatch,
            SyncProblem::Withheld { files } | SyncProblem::Refused { files } => {
                RegistrationProblemKind::FilesRefused { files: *files }
            }
        };
        Self { kind, message: DisplayText::from_message(problem) }
    }
}

impl Operations {
    /// Returns the state of the connection to the index.
    pub(crate) fn index_state(&self) -> IndexState {
        IndexState::new(self.node.address(), &self.node.index().status().borrow())
    }

    /// Returns true if the node is connected to the index.
    pub(crate) fn is_index_online(&self) -> bool {
        matches!(*self.node.index().status().borrow(), IndexStatus::Online { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_address_is_blamed_before_the_firewall() {
        let no = Reachability::No { reason: "a firewall\u{7}".into() };
        let of = |own: &str, reachable: &Reachability| {
            NodeReachability::new(own.parse().unwrap(), "10.0.0.7:1".parse().unwrap(), reachable)
        };
        let (loopback, other) = ("127.0.0.1".parse().unwrap(), "10.0.0.8".parse().unwrap());
        let expected = UnreachableCause::LoopbackListener { listening: loopback };
        assert_eq!(of("127.0.0.1:1", &no), NodeReachability::Unreachable(expected));
        let expected =
            UnreachableCause::OtherListener { listening: other, seen: "10.0.0.7".parse().unwrap() };
        assert_eq!(of("10.0.0.8:1", &no), NodeReachability::Unreachable(expected));
        let expected = UnreachableCause::ProbeFailed { reason: DisplayText::new("a firewall\u{7}") };
        assert_eq!(of("0.0.0.0:1", &no), NodeReachability::Unreachable(expected));
        assert_eq!(of("127.0.0.1:1", &Reachability::Yes), NodeReachability::Reachable);
        assert_eq!(of("127.0.0.1:1", &Reachability::Unknown), NodeReachability::Unknown);
    }

    #[test]
    fn state_is_serialized_with_its_facts() {
        let status = IndexStatus::Online {
            seen_address: "10.0.0.7:1".parse().unwrap(),
            reachable: Reachability::Yes,
            registered: 3,
            synced: false,
            trouble: Some(SyncProblem::Refused { files: 2 }),
            index_info: crate::discovery::index_client::IndexInfo::default(),
        };
        let state = IndexState::new("10.0.0.7:1".parse().unwrap(), &status);
        let json = serde_json::to_value(state).unwrap();
        assert_eq!((json["state"].as_str(), json["registered"].as_u64()), (Some("online"), Some(3)));
        assert_eq!(json["reachability"]["is"], "reachable");
        assert_eq!(json["problem"]["files"], 2);
    }
}
