//! Views of a node's downloads and uploads, as shown to users.

mod queued_at;
#[cfg(test)]
mod test_view;

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use protocol::digest::Digest;
use protocol::infohash::Infohash;
use tokio::time::Instant;

pub(crate) use queued_at::QueuedAt;
#[cfg(test)]
pub(crate) use test_view::test_view;

/// The number of a download, from 1, valid as long as the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DownloadId(pub u32);

/// The identity of a transferred content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ContentId {
    /// A file, by its SHA-256.
    File(Digest),
    /// A torrent.
    Torrent(Infohash),
    /// The file of a closed group, which is identified only by agreement within the group.
    GroupFile,
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(digest) => digest.fmt(f),
            Self::Torrent(infohash) => infohash.fmt(f),
            Self::GroupFile => f.write_str("agreed"),
        }
    }
}

impl ContentId {
    /// Returns the kind of identifier.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "sha256",
            Self::Torrent(_) => "infohash",
            Self::GroupFile => "content",
        }
    }
}

/// State and progress of a download. `N` is the type of its name, which may come from the network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DownloadView<N = String> {
    /// Number of the download.
    pub id: DownloadId,
    /// The content.
    pub content: ContentId,
    /// SHA-256 of the file, if known. For a torrent it is the claimed one until the torrent is complete, then the actual
    /// one.
    pub digest: Option<Digest>,
    /// Final name of the file, relative to the node's folder if it is below that.
    pub name: N,
    /// Size of the content in bytes, once known.
    pub size: Option<u64>,
    /// Current state.
    pub state: DownloadState,
    /// Priority in the queue.
    pub priority: Priority,
    /// Position in the queue, from 1, while waiting for a slot.
    pub queue_position: Option<usize>,
    /// Number of verified pieces.
    pub pieces_done: u32,
    /// Number of all pieces, once known.
    pub pieces: u32,
    /// Bytes in verified pieces.
    pub bytes_done: u64,
    /// Bytes received from sources in this run of the node, including useless ones.
    pub bytes_fetched: u64,
    /// Receive rate in bytes per second.
    pub rate_down: f64,
    /// Upload rate of the same content in bytes per second.
    pub rate_up: f64,
    /// Uploaded bytes of a torrent.
    pub bytes_uploaded: u64,
    /// Number of sources that are sending.
    pub sources_active: usize,
    /// Number of known sources.
    pub sources_known: usize,
    /// The source with our best queue position, if no source serves the download.
    pub queued_at: Option<QueuedAt>,
    /// Estimated time left at the current rate.
    pub time_left: Option<Duration>,
    /// Time spent active.
    pub elapsed: Duration,
    /// Bytes received per source.
    pub sources: Vec<SourceView>,
    /// The file on this machine that was copied or found in place, so that no source was needed.
    pub copied_from: Option<PathBuf>,
    /// A problem that does not stop the download, for example a tracker that does not answer.
    pub warning: Option<String>,
    /// The trackers of an active torrent.
    pub trackers: Arc<[TrackerView]>,
}

/// A tracker of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackerView {
    /// Its scheme, host and port, safe to display. The rest of its URL may contain a secret passkey.
    pub name: String,
    /// Its state.
    pub state: TrackerState,
    /// Number of complete peers, as reported.
    pub seeders: Option<u32>,
    /// Number of incomplete peers, as reported.
    pub leechers: Option<u32>,
    /// Time of the next announce, if known.
    pub next_announce: Option<Instant>,
}

/// State of a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrackerState {
    /// Not contacted yet: others come first.
    Untried,
    /// An announce is in progress.
    Announcing,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing {
        /// The reason, escaped for display.
        reason: String,
    },
    /// This program cannot use the tracker.
    Unusable {
        /// The reason, escaped for display.
        reason: String,
    },
}

impl fmt::Display for TrackerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untried => f.write_str("not contacted yet"),
            Self::Announcing => f.write_str("announcing"),
            Self::Working => f.write_str("working"),
            Self::Failing { reason } => write!(f, "failing: {reason}"),
            Self::Unusable { reason } => write!(f, "unusable: {reason}"),
        }
    }
}

/// Priority of a download while not all downloads can be active.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Priority {
    /// Before all others.
    High,
    /// In order of arrival.
    #[default]
    Normal,
    /// After all others.
    Low,
}

impl<N: PartialEq<str>> DownloadView<N> {
    /// Returns the path of a complete torrent that could not be saved under its own name.
    pub(crate) fn saved_as(&self) -> Option<&Path> {
        let (DownloadState::Done { location, .. } | DownloadState::Seeding { location }) = &self.state else {
            return None;
        };
        let is_torrent = matches!(self.content, ContentId::Torrent(_));
        let is_own = |name: &OsStr| name.to_str().is_some_and(|name| self.name == *name);
        let has_name = location.file_name().is_none_or(is_own);
        (is_torrent && !has_name).then_some(location)
    }
}

impl<N> DownloadView<N> {
    /// Returns true if this is the download of `content`.
    pub(crate) fn matches(&self, content: &ContentId) -> bool {
        match content {
            ContentId::File(digest) => self.digest == Some(*digest),
            ContentId::Torrent(_) | ContentId::GroupFile => self.content == *content,
        }
    }
}

impl Priority {
    /// All priorities, highest first.
    pub(crate) const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Returns the name of the priority.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Returns the priority with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.name() == name)
    }
}

/// The disk space that a download lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskSpace {
    /// The folder of the download.
    pub folder: PathBuf,
    /// Additional bytes needed.
    pub needed: u64,
    /// Free bytes.
    pub free: u64,
}

/// State of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadState {
    /// Waiting for a slot.
    Queued,
    /// Paused by the user.
    Paused,
    /// No reachable source has the missing pieces; searches again automatically.
    AwaitingSources {
        /// Whether the index or a LAN node has ever named a source.
        was_seen: bool,
    },
    /// The disk is full; resumes automatically when there is enough space.
    AwaitingSpace(DiskSpace),
    /// The system is temporarily short of a resource; retries automatically.
    AwaitingSystem {
        /// Error reported by the system.
        reason: String,
    },
    /// Searching for sources.
    Searching,
    /// Verifying data of an earlier attempt on disk.
    Verifying,
    /// Receiving pieces.
    Fetching,
    /// All pieces are verified; the file is being synced and renamed to its final name.
    Finishing,
    /// Complete, and uploading until the user stops it or the seed ratio is reached.
    Seeding {
        /// Path of the content.
        location: PathBuf,
    },
    /// Complete.
    Done {
        /// Path of the file.
        location: PathBuf,
        /// Why the file does not have the requested name, if it has another one.
        renamed: Option<String>,
    },
    /// Failed.
    Failed {
        /// The cause, and what to do.
        reason: String,
    },
    /// Cancelled by the user; partial data is kept.
    Cancelled,
}

impl DownloadState {
    /// Returns true if the download has ended.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. } | Self::Cancelled)
    }

    /// Returns true if there is nothing more to wait for: the download has ended or is seeding.
    pub(crate) const fn is_settled(&self) -> bool {
        self.is_over() || matches!(self, Self::Seeding { .. })
    }

    /// Returns true if the content is complete.
    pub(crate) const fn is_complete(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Seeding { .. })
    }

    /// Returns true if the download is inactive and may have a queue position.
    pub(crate) const fn may_be_queued(&self) -> bool {
        matches!(self, Self::Queued) || self.is_paused_or_stuck()
    }

    /// Returns true if the download is paused by the user or cannot continue now.
    pub(crate) const fn is_paused_or_stuck(&self) -> bool {
        matches!(self, Self::Paused) || self.is_stuck()
    }

    /// Returns true if the download cannot continue now and resumes automatically.
    pub(crate) const fn is_stuck(&self) -> bool {
        matches!(self, Self::AwaitingSources { .. } | Self::AwaitingSpace(_) | Self::AwaitingSystem { .. })
    }

    /// Returns true if the download failed.
    pub(crate) const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// A source's share in a download.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceView {
    /// Listen address of the source.
    pub address: SocketAddr,
    /// Bytes received from it, verified or not.
    pub bytes: u64,
    /// Current rate in bytes per second.
    pub rate: f64,
    /// Why it was disconnected; `None` while connected.
    pub disconnect_reason: Option<String>,
}

/// An upload of a content to one peer. `N` is the type of its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UploadView<N = String> {
    /// The peer.
    pub peer: SocketAddr,
    /// The content.
    pub content: ContentId,
    /// Name under which it is shared here.
    pub name: N,
    /// Size of the content in bytes.
    pub size: u64,
    /// Bytes sent to this peer.
    pub sent: u64,
    /// Current rate in bytes per second.
    pub rate: f64,
    /// The peer's position in the queue for a slot: 1 is next, 0 is not queued; `None` while it is served.
    pub queue_position: Option<u32>,
}

impl UploadView {
    /// Returns true if the upload is worth showing: something was sent, or the peer is queued.
    pub(crate) fn is_notable(&self) -> bool {
        self.sent > 0 || self.queue_position.is_some_and(|place| place > 0)
    }
}
