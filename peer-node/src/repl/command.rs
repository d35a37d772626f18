//! What a person can ask for, and how it is read.

mod error;
mod parse;

use std::num::NonZeroU64;
use std::time::Duration;

use protocol::digest::Digest;

pub(crate) use error::ParseError;
pub(crate) use parse::{MIN_DIGITS, parse};

use super::number_ranges::NumberRanges;
use crate::download::SaveOptions;
use crate::view::Priority;

/// A whole command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReplCommand {
    /// Share files or folders, or look through all anew.
    Register(RegisterArgs),
    /// Stop sharing files or folders.
    Unregister(Vec<String>),
    /// List what is shared here.
    Files,
    /// List the shared folders and what is left out, of one place or of all.
    Shares(Option<String>),
    /// Find what others share; the text is as it was typed, quotes included.
    Search(String),
    /// The next page of the last list.
    More,
    /// Who has a file.
    Sources(ContentSelector),
    /// What a peer shares.
    Browse(BrowseArgs),
    /// Fetch files.
    Download(DownloadArgs),
    /// What comes in and goes out.
    Transfers,
    /// Remove downloads that are over from the list: these, or all.
    ClearTransfers(DownloadSelector),
    /// Let downloads rest.
    Pause(DownloadSelector),
    /// Let them go on.
    Resume(DownloadSelector),
    /// Begin those that failed again.
    Retry(DownloadSelector),
    /// Say which come first.
    Priority(Vec<DownloadRef>, Priority),
    /// Stop downloads.
    Cancel(DownloadSelector),
    /// Show or change how fast bytes pass; no number is no limit.
    Limit(Option<(Direction, Option<NonZeroU64>)>),
    /// Take part in torrents, or make them.
    Torrent(TorrentAction),
    /// How things stand.
    Status,
    /// What keeps the node from working well.
    Doctor,
    /// What commands there are, or what one of them does.
    Help(Option<String>),
    /// End the node.
    Quit,
}

impl ReplCommand {
    /// Returns the command as it is after the person has confirmed it.
    pub(crate) fn confirmed(self) -> Self {
        match self {
            Self::Register(order) => Self::Register(RegisterArgs { is_confirmed: true, ..order }),
            other => other,
        }
    }
}

/// What to share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RegisterArgs {
    /// Files and folders; none for everything that is shared already.
    pub(crate) paths: Vec<String>,
    /// Patterns that leave files out of them; none for those that hold already.
    pub(crate) exclude: Option<Vec<String>>,
    /// Whether it is shared even if it is a home folder or has many files.
    pub(crate) is_confirmed: bool,
}

/// What to do with a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TorrentAction {
    /// Fetch what a `.torrent` describes, and give it to others.
    Add {
        /// The path of the `.torrent`.
        file: String,
        /// Which of its files are wanted, if not all.
        only: Option<String>,
        /// The folder for it, if not the node's.
        folder: Option<String>,
        /// Whether not to wait for it.
        background: bool,
    },
    /// Make a `.torrent` for a shared file, and give the file.
    Create {
        /// Which file.
        item: ContentSelector,
        /// The path of the `.torrent`, if not named after the file.
        path: Option<String>,
    },
}

/// Which way bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To others.
    Up,
    /// From others.
    Down,
}

/// Which downloads a person means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadSelector {
    /// All to which the command applies.
    All,
    /// These.
    These(Vec<DownloadRef>),
}

/// How a person names downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownloadRef {
    /// By their numbers.
    Numbers(NumberRanges),
    /// By the first digits of the digest or infohash, in lower case.
    Digits(String),
}

/// Which files of a peer to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrowseArgs {
    /// The peer as it was typed.
    pub(crate) peer: String,
    /// The folder, without the `/` at its end, and empty if it is the whole share; none if none was typed.
    pub(crate) folder: Option<String>,
    /// Whether everything below it is listed, not only what lies directly in it.
    pub(crate) all: bool,
}

/// What a person names a content by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContentSelector {
    /// Hits of the last list.
    Hits(NumberRanges),
    /// The content itself.
    Digest(Digest),
    /// The first digits of a content's digest; if no content has it, a file's name.
    Prefix(String),
    /// Everything below a folder of a peer; the name is without the `/` at its end.
    Folder(String),
    /// A file's name.
    Name(String),
}

/// What to fetch, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DownloadArgs {
    /// What.
    pub(crate) items: Vec<ContentSelector>,
    /// Where to, if not into the node's folder.
    pub(crate) destination: Option<String>,
    /// Of which peer the folder is.
    pub(crate) from: Option<String>,
    /// How the files are saved.
    pub(crate) saving: SaveOptions,
    /// Whether the prompt comes back at once.
    pub(crate) background: bool,
    /// How long to wait for it, if that was said.
    pub(crate) timeout: Option<Duration>,
}
