//! What goes in and out of a node, as a person is shown it.

mod queued_at;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::digest::Digest;
use protocol::infohash::Infohash;

pub use queued_at::QueuedAt;

/// The number of a download, from 1, as long as the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownloadId(pub u32);

/// What is transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentId {
    /// A file, by its SHA-256.
    File(Digest),
    /// A torrent.
    Torrent(Infohash),
    /// The file of a closed group, which has no name but the one that the group has agreed on.
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
    /// Returns what the digits are.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "sha256",
            Self::Torrent(_) => "infohash",
            Self::GroupFile => "content",
        }
    }

    /// Returns the first digits, for people to tell contents apart.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

/// How far a download has got.
#[derive(Debug, Clone, PartialEq)]
pub struct DownloadView {
    /// Its number.
    pub id: DownloadId,
    /// The content.
    pub content: ContentId,
    /// The SHA-256 of the file: of a torrent's what it is said to be, and once all is here what it is, as far as that is
    /// known.
    pub digest: Option<Digest>,
    /// The name it will have, or has: relative to the node's folder if it lies in there.
    pub name: String,
    /// The content's size in bytes, once known.
    pub size: Option<u64>,
    /// What is going on.
    pub state: DownloadState,
    /// Which of those that wait come first.
    pub priority: Priority,
    /// Its place among those that wait for their turn, from 1, if it does.
    pub queue_position: Option<usize>,
    /// Verified pieces.
    pub pieces_done: u32,
    /// All pieces, once known.
    pub pieces: u32,
    /// Bytes in verified pieces.
    pub bytes_done: u64,
    /// Bytes that came from sources in this run of the node, whether they were of use or not.
    pub bytes_fetched: u64,
    /// Bytes per second that come in.
    pub rate_down: f64,
    /// Bytes per second of the same content that go out.
    pub rate_up: f64,
    /// Bytes of a torrent that were given to others.
    pub bytes_uploaded: u64,
    /// Sources that are sending.
    pub sources_active: usize,
    /// Sources that are known.
    pub sources_known: usize,
    /// The source in whose queue it waits, if no source serves it: the one in whose queue it is foremost.
    pub queued_at: Option<QueuedAt>,
    /// How long it will take at this rate.
    pub time_left: Option<Duration>,
    /// How long it has taken.
    pub elapsed: Duration,
    /// Who gave how much.
    pub sources: Vec<SourceView>,
    /// The file on this machine that made sources needless: it was copied from there, or lies there already.
    pub copied_from: Option<PathBuf>,
    /// What troubles it although it goes on: a tracker that does not answer, say.
    pub warning: Option<String>,
}

/// Which downloads come first when not all may fetch at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before the others.
    High,
    /// As they come.
    #[default]
    Normal,
    /// After the others.
    Low,
}

impl DownloadView {
    /// Returns where a complete torrent lies, if it could not be saved under its own name.
    pub fn saved_as(&self) -> Option<&Path> {
        let (DownloadState::Done { location, .. } | DownloadState::Seeding { location }) = &self.state else {
            return None;
        };
        let is_torrent = matches!(self.content, ContentId::Torrent(_));
        let has_name = location.file_name().is_none_or(|name| name == self.name.as_str());
        (is_torrent && !has_name).then_some(location)
    }

    /// Says whether a content is what is downloaded.
    pub fn matches(&self, content: &ContentId) -> bool {
        match content {
            ContentId::File(digest) => self.digest == Some(*digest),
            ContentId::Torrent(_) | ContentId::GroupFile => self.content == *content,
        }
    }
}

impl Priority {
    /// All of them, the first ones first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Returns the priority's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// Finds a priority by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.name() == name)
    }
}

/// What a full disk lacks for a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSpace {
    /// The folder in which the download lies.
    pub folder: PathBuf,
    /// How many bytes more it needs.
    pub needed: u64,
    /// How many are free.
    pub free: u64,
}

/// What is going on with a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownloadState {
    /// Its turn has not come.
    Queued,
    /// A person wants it to rest.
    Paused,
    /// No source that can be reached has what is missing; it asks again by itself.
    AwaitingSources {
        /// Whether the index, or a node that was heard, has ever named a source of it.
        was_seen: bool,
    },
    /// The disk is full; it resumes when there is enough space.
    AwaitingSpace(DiskSpace),
    /// The system is short of something that it frees again; it tries again by itself.
    AwaitingSystem {
        /// What the system reported.
        reason: String,
    },
    /// Sources are looked for.
    Searching,
    /// What lies on disk from an earlier attempt is verified.
    Verifying,
    /// Pieces come in.
    Fetching,
    /// All pieces are verified; the file is made durable and put in its place.
    Finishing,
    /// All is here, and given to others until a person stops it or enough was given.
    Seeding {
        /// Where it lies.
        location: PathBuf,
    },
    /// The file is whole.
    Done {
        /// Where it lies.
        location: PathBuf,
        /// Why it is not named as was asked, if it is not.
        renamed: Option<String>,
    },
    /// It could not be had.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
    /// A person stopped it; what came is kept.
    Cancelled,
}

impl DownloadState {
    /// Says whether nothing more will happen.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. } | Self::Cancelled)
    }

    /// Says whether there is nothing more to wait for: it is over, or all is here and given to others.
    pub const fn is_settled(&self) -> bool {
        self.is_over() || matches!(self, Self::Seeding { .. })
    }

    /// Says whether all is here.
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Seeding { .. })
    }

    /// Says whether the download fetches nothing at the moment and may have to wait for its turn.
    pub const fn may_be_queued(&self) -> bool {
        matches!(self, Self::Queued) || self.is_paused_or_stuck()
    }

    /// Says whether the download rests, by a person's wish or because it cannot go on now.
    pub const fn is_paused_or_stuck(&self) -> bool {
        matches!(self, Self::Paused) || self.is_stuck()
    }

    /// Returns true if the download cannot continue now and resumes by itself.
    pub const fn is_stuck(&self) -> bool {
        matches!(self, Self::AwaitingSources { .. } | Self::AwaitingSpace(_) | Self::AwaitingSystem { .. })
    }

    /// Returns true if the download failed.
    pub const fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// What one source gave to a download.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceView {
    /// Where it listens.
    pub address: SocketAddr,
    /// Verified and unverified bytes that came from it.
    pub bytes: u64,
    /// Bytes per second at the moment.
    pub rate: f64,
    /// Why it was left, if it was.
    pub disconnect_reason: Option<String>,
}

/// A content that a peer is fetching from this node.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadView {
    /// The peer.
    pub peer: SocketAddr,
    /// The content.
    pub content: ContentId,
    /// The name under which it is shared here.
    pub name: String,
    /// The content's size in bytes.
    pub size: u64,
    /// Bytes sent to this peer.
    pub sent: u64,
    /// Bytes per second at the moment.
    pub rate: f64,
    /// The peer's place in the queue for a slot, 1 being next and 0 not in the queue; none while it is served.
    pub queue_place: Option<u32>,
}

impl UploadView {
    /// Says whether there is anything to tell: something was sent, or the peer waits for it.
    pub fn is_notable(&self) -> bool {
        self.sent > 0 || self.queue_place.is_some_and(|place| place > 0)
    }
}
