//! What operations can fail with.

use std::io;
use std::path::PathBuf;

use protocol::escape::{display_safe, excerpt};
use serde::Serialize;

use super::content::SearchHit;
use super::safe_name::SafeName;
use super::sources::KnownNode;
use crate::discovery::finder::BrowseError;
use crate::discovery::index_client::IndexError;
use crate::discovery::neighbours::NeighbourBrowseError;
use crate::download::{NotStarted, TorrentError};
use crate::shared_torrents::SharedTorrentError;
use crate::torrent::dot_torrent::DotTorrentError;
use crate::view::DownloadId;

/// Why an operation failed. The texts name no command and no option: a front end adds what its user can do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The requested content or folder does not exist.
    #[error("nothing found: {}", what.excerpt())]
    NotFound {
        /// The requested name.
        what: SafeName,
    },
    /// Several contents have the name.
    #[error("{} different files are named {}", hits.len(), name.excerpt())]
    AmbiguousName {
        /// The name.
        name: SafeName,
        /// The contents.
        hits: Vec<SearchHit>,
    },
    /// Several contents have a digest that begins with the digits.
    #[error("{} contents have a digest that begins with {digits}", candidates.len())]
    AmbiguousDigest {
        /// The digits.
        digits: String,
        /// The contents.
        candidates: Vec<ContentCandidate>,
    },
    /// A folder has too many files for one request.
    #[error("{} has more than {limit} files", folder.excerpt())]
    TooManyFiles {
        /// The folder.
        folder: SafeName,
        /// The limit.
        limit: usize,
    },
    /// A destination was given for something else than a single file.
    #[error(transparent)]
    Destination(#[from] DestinationProblem),
    /// A text names no peer.
    #[error(transparent)]
    Peer(#[from] PeerProblem),
    /// A download cannot be started, found or changed.
    #[error(transparent)]
    Download(#[from] DownloadProblem),
    /// A torrent cannot be added or created.
    #[error(transparent)]
    Torrent(#[from] TorrentProblem),
    /// The index does not answer, or refuses the request.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A peer on the local network does not list its files.
    #[error(transparent)]
    PeerListing(#[from] NeighbourBrowseError),
}

impl From<BrowseError> for Problem {
    fn from(error: BrowseError) -> Self {
        match error {
            BrowseError::Index(error) => Self::Index(error),
            BrowseError::Neighbour(error) => Self::PeerListing(error),
        }
    }
}

/// One of several contents that a beginning of a digest stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct ContentCandidate {
    /// The digest or infohash.
    pub(crate) id: String,
    /// A name of the content.
    pub(crate) name: SafeName,
}

/// Why a destination cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DestinationProblem {
    /// The destination is for several files.
    #[error("{count} files selected; only a single file can have a destination")]
    SeveralFiles {
        /// The number of files.
        count: usize,
    },
    /// The destination is for a folder.
    #[error("{}/ is a folder; only a single file can have a destination", folder.excerpt())]
    Folder {
        /// The folder.
        folder: SafeName,
    },
}

/// Why a text names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerProblem {
    /// The text has no form that names peers.
    #[error("{} is not a peer", text.excerpt())]
    Invalid {
        /// The text.
        text: SafeName,
    },
    /// No online node has an id that begins with the digits.
    #[error("no online node has an id that begins with {}", excerpt(digits))]
    UnknownNodeId {
        /// The digits.
        digits: String,
    },
    /// Several node ids begin with the digits.
    #[error("{} node ids begin with {}", candidates.len(), excerpt(digits))]
    AmbiguousNodeId {
        /// The digits.
        digits: String,
        /// The nodes, each with its last known address.
        candidates: Vec<KnownNode>,
    },
    /// A host cannot be resolved.
    #[error("cannot find {}: {reason}", host.excerpt())]
    HostNotFound {
        /// The host.
        host: SafeName,
        /// The error of the system.
        reason: String,
    },
}

/// Why a download cannot be started, found or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DownloadProblem {
    /// The download cannot be started.
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    /// The download does not exist, or has ended.
    #[error("download {} is neither under way nor failed", id.0)]
    NotRunning {
        /// The download.
        id: DownloadId,
    },
    /// There is no such download in the list.
    #[error("there is no download {}", id.0)]
    Unknown {
        /// The download.
        id: DownloadId,
    },
    /// The download has not ended.
    #[error("download {} is not finished", id.0)]
    NotFinished {
        /// The download.
        id: DownloadId,
    },
    /// No download has a digest that begins with the digits.
    #[error("no download has a digest that begins with {digits}")]
    UnknownDigest {
        /// The digits.
        digits: String,
    },
}

/// Why a torrent cannot be added or created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TorrentProblem {
    /// The `.torrent` cannot be used.
    #[error(transparent)]
    File(#[from] DotTorrentError),
    /// The torrent cannot be started.
    #[error(transparent)]
    NotStarted(#[from] TorrentError),
    /// The file cannot be offered as a torrent.
    #[error(transparent)]
    NotOffered(#[from] SharedTorrentError),
    /// The path of the `.torrent` exists.
    #[error("{} already exists", display_safe(&path.to_string_lossy()))]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// The `.torrent` cannot be written.
    #[error("cannot write {}: {source}", display_safe(&path.to_string_lossy()))]
    Unwritable {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// What a problem means for the requester, regardless of its details. Front ends map each kind to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProblemKind {
    /// The request cannot be fulfilled as it is.
    BadRequest,
    /// What was named does not exist.
    NotFound,
    /// What was named is not the only one of that name.
    Ambiguous,
    /// The state of the download, or a file in the way, does not permit it.
    Conflict,
    /// The request exceeds a limit.
    TooMany,
    /// There is no connection to the index.
    NoIndex,
    /// The index did not answer in time.
    IndexTimeout,
    /// The index refused the request.
    IndexRefused,
    /// The peer does not answer, or does not support the request.
    PeerUnavailable,
    /// A file cannot be read, or its content is invalid.
    Unreadable,
    /// A file cannot be written.
    Unwritable,
}

impl Problem {
    /// Returns the problem that nothing has a name.
    pub(crate) fn not_found(what: impl Into<SafeName>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Returns the kind of the problem.
    pub(crate) const fn kind(&self) -> ProblemKind {
        match self {
            Self::NotFound { .. } => ProblemKind::NotFound,
            Self::AmbiguousName { .. } | Self::AmbiguousDigest { .. } => ProblemKind::Ambiguous,
            Self::TooManyFiles { .. } => ProblemKind::TooMany,
            Self::Destination(_) => ProblemKind::BadRequest,
            Self::Peer(problem) => problem.kind(),
            Self::Download(problem) => problem.kind(),
            Self::Torrent(problem) => problem.kind(),
            Self::Index(error) => index_kind(error),
            Self::PeerListing(_) => ProblemKind::PeerUnavailable,
        }
    }
}

impl PeerProblem {
    const fn kind(&self) -> ProblemKind {
        match self {
            Self::Invalid { .. } => ProblemKind::BadRequest,
            Self::UnknownNodeId { .. } | Self::HostNotFound { .. } => ProblemKind::NotFound,
            Self::AmbiguousNodeId { .. } => ProblemKind::Ambiguous,
        }
    }
}

impl DownloadProblem {
    const fn kind(&self) -> ProblemKind {
        match self {
            Self::NotStarted(_) | Self::NotFinished { .. } => ProblemKind::Conflict,
            Self::NotRunning { .. } | Self::Unknown { .. } | Self::UnknownDigest { .. } => {
                ProblemKind::NotFound
            }
        }
    }
}

impl TorrentProblem {
    const fn kind(&self) -> ProblemKind {
        match self {
            Self::File(_) => ProblemKind::Unreadable,
            Self::NotStarted(TorrentError::Selection(_)) => ProblemKind::BadRequest,
            Self::NotStarted(TorrentError::NotStarted(_)) | Self::NotOffered(_) | Self::Exists { .. } => {
                ProblemKind::Conflict
            }
            Self::NotStarted(TorrentError::WriteMetainfo { .. }) | Self::Unwritable { .. } => {
                ProblemKind::Unwritable
            }
        }
    }
}

const fn index_kind(error: &IndexError) -> ProblemKind {
    match error {
        IndexError::Offline { .. } | IndexError::Stopped => ProblemKind::NoIndex,
        IndexError::TimedOut { .. } | IndexError::Unsynced { .. } => ProblemKind::IndexTimeout,
        IndexError::Refused(_) | IndexError::Unsupported => ProblemKind::IndexRefused,
        IndexError::TooLong { .. } => ProblemKind::TooMany,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn problems_of_one_cause_have_one_kind() {
        let running = NotStarted::Running { id: DownloadId(1) };
        for (problem, kind) in [
            (Problem::not_found("x"), ProblemKind::NotFound),
            (PeerProblem::UnknownNodeId { digits: "abcd".into() }.into(), ProblemKind::NotFound),
            (DownloadProblem::from(running).into(), ProblemKind::Conflict),
            (DestinationProblem::SeveralFiles { count: 2 }.into(), ProblemKind::BadRequest),
            (IndexError::TimedOut { after: Duration::from_secs(1) }.into(), ProblemKind::IndexTimeout),
            (TorrentProblem::Exists { path: "/x".into() }.into(), ProblemKind::Conflict),
        ] {
            assert_eq!(problem.kind(), kind, "{problem}");
        }
        assert_eq!(serde_json::to_value(ProblemKind::NoIndex).unwrap(), "no-index");
    }

    #[test]
    fn names_in_problems_are_escaped() {
        assert_eq!(Problem::not_found("a\u{1b}").to_string(), "nothing found: a\\u{1b}");
    }
}
