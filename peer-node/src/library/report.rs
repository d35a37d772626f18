use std::io;
use std::path::{Path, PathBuf};

use protocol::escape::display_safe_bytes;
use protocol::share_path::SharePathError;

use super::exclusions::PatternError;
use super::listing::SharedFile;

/// What came of a registration or its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareReport {
    /// The files that are shared now, or are no longer, in the order of their paths.
    pub files: Vec<SharedFile>,
    /// What lies there and is not shared; at most [`MAX_SKIPPED`] are named.
    pub skipped: Vec<Skipped>,
    /// The files and folders on this machine that were meant.
    pub places: Vec<PathBuf>,
}

/// The most skipped files that are named in one report.
pub const MAX_SKIPPED: usize = 1000;

/// Something that is not shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it lies, fit to be shown.
    pub path: String,
    /// Why it is not shared.
    pub reason: SkipReason,
}

/// Why something is not shared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// Its name or that of a folder around it begins with a dot.
    #[error("hidden files are not shared")]
    Hidden,
    /// It is a symbolic link.
    #[error("links are not shared")]
    Link,
    /// It is a pipe, a socket or a device.
    #[error("only regular files are shared")]
    Special,
    /// It is a download that is not finished.
    #[error("unfinished downloads are not shared as files")]
    Unfinished,
    /// Its name is not UTF-8.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// Its path is not one that the network accepts.
    #[error("its name cannot be shared: {0}")]
    BadName(SharePathError),
    /// It is a second name of a file that belongs to another user.
    #[error("it is a hard link to a file of another user")]
    ForeignLink,
    /// It cannot be read, or what is known about it cannot be stored.
    #[error("it cannot be hashed: {0}")]
    Unreadable(io::ErrorKind),
    /// The system is out of memory or open files.
    #[error("the system has no room for more open files; it will be looked at again")]
    SystemLimit,
    /// It kept changing while it was hashed, and is looked at again later.
    #[error("it keeps changing; it will be looked at again")]
    Changing,
    /// It is larger than any file may be, or one file more than a node may share.
    #[error("it is over the limit of what a node may share")]
    OverLimit,
    /// It is the whole machine, or a folder around the node's own.
    #[error("it contains the node's own folder; register the folders in it that are to be shared")]
    ContainsNode,
    /// It is part of the node's own state.
    #[error("the node's own state is never shared")]
    OwnState,
    /// A pattern leaves it out.
    #[error("excluded by the pattern {0}")]
    Excluded(String),
    /// The patterns of a folder cannot be used, so that nothing in it is shared.
    #[error("its patterns cannot be used, so nothing in it is shared: {0}")]
    BadPatterns(PatternError),
    /// The user stopped sharing it.
    #[error("unregistered; register shares it again")]
    Unregistered,
}

impl SkipReason {
    /// Returns true if it is the ordinary course of things, about which nobody needs to be warned.
    pub fn is_expected(&self) -> bool {
        matches!(
            self,
            Self::Hidden | Self::Unfinished | Self::OwnState | Self::Excluded(_) | Self::Unregistered
        )
    }

    /// Returns the reason in few words, as the heading of a number: "hidden: 3".
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Link => "links",
            Self::Special => "special files",
            Self::Unfinished => "unfinished downloads",
            Self::NotUtf8 | Self::BadName(_) => "names",
            Self::ForeignLink => "hard links to files of others",
            Self::Unreadable(_) => "unreadable",
            Self::SystemLimit | Self::Changing => "to be looked at again",
            Self::OverLimit => "over a limit",
            Self::ContainsNode | Self::OwnState => "of the node's own",
            Self::Excluded(_) => "excluded by patterns",
            Self::BadPatterns(_) => "invalid patterns",
            Self::Unregistered => "unregistered",
        }
    }
}

/// A skipped file as the scan knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SkippedEntry {
    pub(super) location: PathBuf,
    pub(super) reason: SkipReason,
}

impl SkippedEntry {
    pub(super) fn to_skipped(&self) -> Skipped {
        Skipped { path: display_path(&self.location), reason: self.reason.clone() }
    }
}

/// Returns a path of this machine, fit to be shown.
pub(super) fn display_path(path: &Path) -> String {
    display_safe_bytes(path.as_os_str().as_encoded_bytes())
}
