//! How things stand between this node and the index.

use std::fmt;
use std::net::SocketAddr;

use protocol::features::IndexFeatures;
use protocol::units::DisplaySize;
use tokio::time::Instant;

/// How things stand; `Display` says it in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexStatus {
    /// A connection is being made.
    Connecting {
        /// The how manieth attempt since the last connection, from 1.
        attempt: u32,
    },
    /// There is no connection; the next attempt comes by itself.
    Offline {
        /// Why, in words fit to be shown.
        error: String,
        /// When the next attempt begins.
        retry_at: Instant,
    },
    /// The index knows this node.
    Online {
        /// Where the index sees it.
        seen_address: SocketAddr,
        /// Whether other peers can reach it there.
        reachable: Reachability,
        /// Files that the index has acknowledged.
        registered: u32,
        /// Whether these are exactly those that are shared.
        synced: bool,
        /// What keeps some of them from the index.
        trouble: Option<SyncTrouble>,
        /// What the index announced about itself.
        index_info: IndexInfo,
    },
    /// The client was stopped.
    Stopped,
}

/// What an index announced in its greeting; an index of version 1 announces nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexInfo {
    /// The optional features that it understands.
    pub features: IndexFeatures,
    /// The seconds by which its clock was ahead of ours when it was connected, give or take the round trip; negative if it was
    /// behind.
    pub clock_ahead: Option<i64>,
}

/// What the index found when it called our port back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reachability {
    /// It has not said yet.
    Unknown,
    /// Our port answers, and our files are listed.
    Yes,
    /// Our port does not answer, and our files are not listed.
    No {
        /// What happened, in words fit to be shown.
        reason: String,
    },
}

/// Why the index does not have all files that are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncTrouble {
    /// It takes no more of them.
    TooMany {
        /// Of what.
        what: String,
        /// Its limit.
        limit: u64,
    },
    /// They would take more bytes than one of its budgets has.
    OverBudget {
        /// What has the budget.
        what: String,
        /// The bytes that it would take.
        wanted: u64,
        /// The bytes that it may take.
        limit: u64,
    },
    /// It cannot write to its disk.
    StoreUnavailable,
    /// It was told everything and has another list all the same.
    Mismatch,
    /// It runs a release that does not accept the names of some of them; the others are registered.
    Withheld {
        /// How many.
        files: usize,
    },
    /// It will not have some of them; the others are registered.
    Refused {
        /// How many.
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
            Self::Online { seen_address: you, reachable, registered, synced, trouble, .. } => {
                let plural = if *registered == 1 { "" } else { "s" };
                write!(f, "connected as {you}, {reachable}; {registered} file{plural} registered")?;
                match (trouble, synced) {
                    (Some(trouble), _) => write!(f, "; {trouble}"),
                    (None, true) => Ok(()),
                    (None, false) => f.write_str(", more on their way"),
                }
            }
            Self::Stopped => f.write_str("the connection to the index is closed for good"),
        }
    }
}

impl fmt::Display for Reachability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not called back yet"),
            Self::Yes => f.write_str("reachable"),
            Self::No { reason } => write!(f, "not reachable ({reason}), so our files are not listed"),
        }
    }
}

impl fmt::Display for SyncTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { what, limit } => write!(f, "the index takes no more than {limit} {what}"),
            Self::OverBudget { what, wanted, limit } => {
                let (wanted, limit) = (DisplaySize(*wanted), DisplaySize(*limit));
                write!(f, "the index takes no more files: {what} would take {wanted} of at most {limit}")
            }
            Self::StoreUnavailable => f.write_str("the index cannot store registrations at the moment"),
            Self::Mismatch => {
                f.write_str("the index has another list than it was told; it will be told again")
            }
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
        trouble: Option<SyncTrouble>,
    ) -> String {
        let you = "127.0.0.1:12349".parse().unwrap();
        let about = IndexInfo::default();
        IndexStatus::Online { seen_address: you, reachable, registered, synced, trouble, index_info: about }
            .to_string()
    }

    #[test]
    fn exceeded_budget_names_what_would_be_used() {
        let what = "the list of this node".to_owned();
        let trouble = SyncTrouble::OverBudget { what, wanted: 140 << 20, limit: 128 << 20 };
        assert_eq!(
            trouble.to_string(),
            "the index takes no more files: the list of this node would take 140.0 MiB of at most 128.0 MiB"
        );
    }

    #[tokio::test]
    async fn every_status_has_a_message() {
        assert_eq!(IndexStatus::Connecting { attempt: 1 }.to_string(), "connecting to the index");
        assert_eq!(IndexStatus::Connecting { attempt: 3 }.to_string(), "connecting to the index (attempt 3)");
        let retry_at = Instant::now() + Duration::from_secs(5);
        let offline = IndexStatus::Offline { error: "it is gone".into(), retry_at };
        assert_eq!(offline.to_string(), "no connection to the index: it is gone; next attempt in 5 s");
        assert_eq!(
            online(Reachability::Yes, 1, true, None),
            "connected as 127.0.0.1:12349, reachable; 1 file registered"
        );
        assert_eq!(
            online(Reachability::Unknown, 2, false, None),
            "connected as 127.0.0.1:12349, not called back yet; 2 files registered, more on their way"
        );
        let no = Reachability::No { reason: "refused".into() };
        assert_eq!(
            online(no, 0, true, Some(SyncTrouble::Refused { files: 1 })),
            "connected as 127.0.0.1:12349, not reachable (refused), so our files are not listed; 0 files \
             registered; 1 file was refused, see the log"
        );
    }
}
