//! The commands of the prompt, and their parser.

mod error;
mod parse;

use std::num::NonZeroU64;
use std::time::Duration;

use protocol::digest::Digest;

pub(crate) use error::ParseError;
pub(crate) use parse::{MIN_DIGITS, parse};

use super::number_ranges::NumberRanges;
use crate::operations::SaveOptions;
use crate::view::Priority;

/// A parsed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReplCommand {
    /// Share files or folders, or rescan everything.
    Register(RegisterArgs),
    /// Stop sharing files or folders.
    Unregister(Vec<String>),
    /// List the files that this node shares.
    Files,
    /// List the shared folders and what is left out, of one place or of all.
    Shares(Option<String>),
    /// Search the files of all peers; the text is kept as typed, with its quotes.
    Search(String),
    /// Show the next page of the last list.
    More,
    /// List the sources of a file.
    Sources(ContentSelector),
    /// List what a peer shares.
    Browse(BrowseArgs),
    /// Download files.
    Download(DownloadArgs),
    /// List downloads and uploads.
    Transfers,
    /// Remove finished downloads from the list.
    ClearTransfers(DownloadSelector),
    /// Pause downloads.
    Pause(DownloadSelector),
    /// Resume paused downloads.
    Resume(DownloadSelector),
    /// Restart failed downloads.
    Retry(DownloadSelector),
    /// Change the priority of downloads.
    Priority(Vec<DownloadRef>, Priority),
    /// Stop downloads.
    Cancel(DownloadSelector),
    /// Show the rate limits, or change one; no rate removes the limit.
    Limit(Option<LimitChange>),
    /// Add or create torrents.
    Torrent(TorrentAction),
    /// Show the state of the node.
    Status,
    /// Check what keeps the node from working well.
    Doctor,
    /// Show all commands, or the help of one.
    Help(Option<String>),
    /// Stop the node.
    Quit,
}

impl ReplCommand {
    /// Returns the command with the confirmation of the user.
    pub(crate) fn confirmed(self) -> Self {
        match self {
            Self::Register(order) => Self::Register(RegisterArgs { is_confirmed: true, ..order }),
            other => other,
        }
    }
}

/// The arguments of `register`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RegisterArgs {
    /// The files and folders; empty to rescan everything.
    pub(crate) paths: Vec<String>,
    /// The patterns that exclude files; `None` keeps the existing patterns.
    pub(crate) exclude: Option<Vec<String>>,
    /// Whether a home folder or a folder with many files is shared without asking.
    pub(crate) is_confirmed: bool,
}

/// The action of `torrent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TorrentAction {
    /// Download the content of a `.torrent`, then seed it.
    Add {
        /// The path of the `.torrent`.
        file: String,
        /// The selected files, if not all.
        only: Option<String>,
        /// The destination, if not the node's folder.
        folder: Option<String>,
        /// Whether the command returns at once.
        background: bool,
    },
    /// Create a `.torrent` for a shared file, and seed it.
    Create {
        /// The file.
        item: ContentSelector,
        /// The path of the `.torrent`, if not named after the file.
        path: Option<String>,
    },
}

/// A change of a limit. Rates are in bytes/s; `None` removes the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitChange {
    /// The total upload rate.
    Up(Option<NonZeroU64>),
    /// The total download rate.
    Down(Option<NonZeroU64>),
    /// The upload rate per peer.
    Peer(Option<NonZeroU64>),
    /// The number of upload slots.
    Slots(usize),
}

/// The downloads to which a command applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadSelector {
    /// All suitable downloads.
    All,
    /// The named downloads.
    These(Vec<DownloadRef>),
}

/// A reference to downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadRef {
    /// By number.
    Numbers(NumberRanges),
    /// By the first digits of the digest or infohash, in lower case.
    Digits(String),
}

/// The arguments of `browse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrowseArgs {
    /// The peer as typed.
    pub(crate) peer: String,
    /// The folder without a trailing `/`, empty for the root; `None` if none was typed.
    pub(crate) folder: Option<String>,
    /// Whether all files below the folder are listed, not only its direct entries.
    pub(crate) all: bool,
}

/// A reference to contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContentSelector {
    /// Hits of the last list.
    Hits(NumberRanges),
    /// A digest.
    Digest(Digest),
    /// The first digits of a digest; a file name if no digest begins with them.
    Prefix(String),
    /// Everything below a folder of a peer; without the trailing `/`.
    Folder(String),
    /// A file name.
    Name(String),
}

/// The arguments of `download`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DownloadArgs {
    /// The contents and folders to fetch.
    pub(crate) items: Vec<ContentSelector>,
    /// The destination, if not the node's folder.
    pub(crate) destination: Option<String>,
    /// The peer of the folder.
    pub(crate) from: Option<String>,
    /// How the files are saved.
    pub(crate) saving: SaveOptions,
    /// Whether the command returns at once.
    pub(crate) background: bool,
    /// How long the command waits, if given.
    pub(crate) timeout: Option<Duration>,
}
