//! The status of the connection between this node and the index.

use std::fmt;
use std::net::SocketAddr;

use protocol::features::IndexFeatures;
use protocol::units::DisplaySize;
use tokio::time::Instant;

/// The status of the connection; `Display` writes it as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexStatus {
    /// Connecting to the index.
    Connecting {
        /// Number of the attempt since the last connection, from 1.
        attempt: u32,
    },
    /// Disconnected; the next attempt starts automatically.
    Offline {
        /// The reason, display-safe.
        error: String,
        /// When the next attempt starts.
        retry_at: Instant,
    },
    /// Connected and accepted by the index.
    Online {
        /// The address at which the index sees this node.
        seen_address: SocketAddr,
        /// Whether other peers can reach the node at that address.
        reachable: Reachability,
        /// Number of files that the index has acknowledged.
        registered: u32,
        /// True if the index has acknowledged exactly the files that are shared.
        synced: bool,
        /// Why some files are not registered.
        trouble: Option<SyncProblem>,
        /// What the index announced about itself.
        index_info: IndexInfo,
    },
    /// The client has stopped.
    Stopped,
}

/// What the index announced in its greeting. An index of version 1 announces nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexInfo {
    /// The optional features of the index.
    pub features: IndexFeatures,
    /// Seconds by which the index's clock was ahead of the local clock at connection time, up to the round-trip time; negative
    /// if it was behind.
    pub clock_ahead: Option<i64>,
}

/// The result of the index's probe of the node's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reachability {
    /// The result is not known yet.
    Unknown,
    /// The port answers, and the node's files are listed.
    Yes,
    /// The port does not answer, and the node's files are not listed.
    No {
        /// What happened, display-safe.
        reason: String,
    },
}

/// Why the index does not have all shared files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncProblem {
    /// The index accepts no more entries.
    TooMany {
        /// The kind of entries.
        what: String,
        /// The limit of the index.
        limit: u64,
    },
    /// The files would exceed one of the index's byte budgets.
    OverBudget {
        /// The owner of the budget.
        what: String,
        /// Bytes that would be needed.
        wanted: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// The index cannot write to its disk.
    StoreUnavailable,
    /// The index has a different list although the full list was sent.
    Mismatch,
    /// The release of the index does not accept the names of some files. The other files are registered.
    Withheld {
        /// Number of files.
        files: usize,
    },
    /// The index refused some files. The other files are registered.
    Refused {
        /// Number of files.
        files: usize,
    },
}

impl fmt::Display for IndexStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting { attempt: 1 } => f.write_str("connecting to the index"),
            Self::Connecting { attempt } => write!(f, "connecting to the index (attempt {attempt})"),
            Self::Offline { error, retry_at } => {
                let pause = retry_at.saturating_duration_since(Instant::now()).as_secs_f64().ceil();
                write!(f, "no connection to the index: {error}; next attempt in {pause} s")
            }
            Self::Online { seen_address, reachable, registered, synced, trouble, .. } => {
                let plural = if *registered == 1 { "" } else { "s" };
                write!(f, "connected as {seen_address}, {reachable}; {registered} file{plural} registered")?;
                match (trouble, synced) {
                    (Some(trouble), _) => write!(f, "; {trouble}"),
                    (None, true) => Ok(()),
                    (None, false) => f.write_str(", more on their way"),
                }
            }
            Self::Stopped => f.write_str("the node has closed its connection to the index"),
        }
    }
}

impl fmt::Display for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("reachability not tested yet"),
            Self::Yes => f.write_str("reachable"),
            Self::No { reason } => write!(f, "not reachable ({reason}), so this node's files are not listed"),
        }
    }
}

impl fmt::Display for SyncProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { what, limit } => write!(f, "the index accepts at most {limit} {what}"),
            Self::OverBudget { what, wanted, limit } => {
                let (wanted, limit) = (DisplaySize(*wanted), DisplaySize(*limit));
                write!(f, "the index accepts no more files: {what} would take {wanted} of at most {limit}")
            }
            Self::StoreUnavailable => f.write_str("the index cannot store registrations at the moment"),
            Self::Mismatch => f.write_str("the index has a different list; sending it again later"),
            Self::Withheld { files: 1 } => f.write_str(
                "1 file has a name that this index, an older release, does not accept; it is not registered",
            ),
            Self::Withheld { files } => write!(
                f,
                "{files} files have names that this index, an older release, does not accept; they are not registered"
            ),
            Self::Refused { files: 1 } => f.write_str("1 file was refused, see the log"),
            Self::Refused { files } => write!(f, "{files} files were refused, see the log"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn online(
        reachable: Reachability,
        registered: u32,
        synced: bool,
        trouble: Option<SyncProblem>,
    ) -> String {
        let seen_address = "127.0.0.1:12349".parse().unwrap();
        let index_info = IndexInfo::default();
        IndexStatus::Online { seen_address, reachable, registered, synced, trouble, index_info }.to_string()
    }

    #[test]
    fn exceeded_budget_names_what_would_be_used() {
        let what = "the list of this node".to_owned();
        let trouble = SyncProblem::OverBudget { what, wanted: 140 << 20, limit: 128 << 20 };
        assert_eq!(
            trouble.to_string(),
            "the index accepts no more files: the list of this node would take 140.0 MiB of at most 128.0 MiB"
        );
    }

    #[tokio::test]
    async fn every_status_has_a_message() {
        assert_eq!(IndexStatus::Connecting { attempt: 1 }.to_string(), "connecting to the index");
        assert_eq!(IndexStatus::Connecting { attempt: 3 }.to_string(), "connecting to the index (attempt 3)");
        let retry_at = Instant::now() + Duration::from_secs(5);
        let offline = IndexStatus::Offline { error: "connection refused".into(), retry_at };
        assert_eq!(
            offline.to_string(),
            "no connection to the index: connection refused; next attempt in 5 s"
        );
        assert_eq!(
            online(Reachability::Yes, 1, true, None),
            "connected as 127.0.0.1:12349, reachable; 1 file registered"
        );
        assert_eq!(
            online(Reachability::Unknown, 2, false, None),
            "connected as 127.0.0.1:12349, reachability not tested yet; 2 files registered, more on their way"
        );
        let no = Reachability::No { reason: "refused".into() };
        assert_eq!(
            online(no, 0, true, Some(SyncProblem::Refused { files: 1 })),
            "connected as 127.0.0.1:12349, not reachable (refused), so this node's files are not listed; 0 files \
             registered; 1 file was refused, see the log"
        );
    }
}
