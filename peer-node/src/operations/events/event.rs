use serde::Serialize;

use super::download_news::DownloadEvent;
use super::index_news::IndexNews;
use super::state_folder_news::StateFolderNews;
use crate::operations::left_out::LeftOutSummary;
use crate::operations::limits::Limits;
use crate::operations::status::HashingStatus;

/// A numbered event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EventRecord {
    /// Number of the event, from 1 in each run of the node. It grows; numbers of replaced samples are skipped.
    pub(crate) seq: u64,
    /// When it was published, in milliseconds since 1970.
    pub(crate) unix_ms: u64,
    /// What happened.
    pub(crate) event: Event,
}

/// Something that happened in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The connection to the index changed.
    Index(IndexNews),
    /// Files are being hashed.
    HashingStarted(HashingStatus),
    /// Hashing progresses. Only the latest of these events is kept.
    HashingProgress(HashingStatus),
    /// Everything is scanned and hashed; also after a scan that found nothing new.
    HashingFinished {
        /// Number of files that the node shares.
        files: u64,
        /// What the shared folders leave out; `None` if nothing.
        left_out: Option<LeftOutSummary>,
    },
    /// The list of shared files changed. Only the latest of these events is kept.
    SharesChanged {
        /// Number of this list; it grows.
        generation: u64,
        /// Number of files in it.
        files: u64,
        /// Their total size in bytes.
        bytes: u64,
    },
    /// A download was added, changed or removed.
    Download(DownloadEvent),
    /// The state folder changed.
    StateFolder(StateFolderNews),
    /// A limit was changed.
    LimitsChanged(Limits),
    /// The subscriber missed events, because it fell behind or resumed too late. It must read the current state again.
    Lagged {
        /// The last event that the subscriber knows.
        after: u64,
    },
    /// The node is stopping; no event follows.
    Stopping,
}

/// A kind of event of which only the latest counts: it replaces the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SampleKind {
    /// The progress of hashing.
    HashingProgress,
    /// The list of shared files.
    SharesChanged,
}

/// A lasting condition of the node. The event that began it is sent to new subscribers as long as it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    /// The connection to the index, whatever its state.
    IndexConnection,
    /// A limit of the index is exhausted.
    IndexLimit,
    /// The state folder cannot be used.
    StateFolder,
    /// Hashes cannot be stored.
    HashStore,
}

impl Event {
    /// Returns the kind of sample that this event is; `None` for an event that is kept.
    pub(super) const fn sample_kind(&self) -> Option<SampleKind> {
        match self {
            Self::HashingProgress(_) => Some(SampleKind::HashingProgress),
            Self::SharesChanged { .. } => Some(SampleKind::SharesChanged),
            _ => None,
        }
    }

    /// Returns the condition that begins or ends with this event, and true if it begins.
    pub(super) const fn condition(&self) -> Option<(Condition, bool)> {
        match self {
            Self::Index(news) => Some(news.condition()),
            Self::StateFolder(news) => news.condition(),
            _ => None,
        }
    }
}
