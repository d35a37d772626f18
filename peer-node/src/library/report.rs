use std::io;
use std::path::{Path, PathBuf};

use protocol::escape::display_safe_bytes;
use protocol::share_path::SharePathError;

use super::exclusions::PatternError;
use super::listing::SharedFile;

/// The result of a registration or unregistration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShareReport {
    /// Files that are now shared or no longer shared, sorted by path.
    pub files: Vec<SharedFile>,
    /// Entries that are not shared, at most [`MAX_SKIPPED`].
    pub skipped: Vec<Skipped>,
    /// Absolute paths of the requested files and folders.
    pub places: Vec<PathBuf>,
}

/// Maximum number of skipped entries in one report.
pub(crate) const MAX_SKIPPED: usize = 1000;

/// A file or folder that is not shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// Path, display-safe.
    pub path: String,
    /// Why it is not shared.
    pub reason: SkipReason,
}

/// Why a file or folder is not shared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SkipReason {
    /// Its name, or that of a folder above it, begins with a dot.
    #[error("hidden files are not shared")]
    Hidden,
    /// A symbolic link.
    #[error("links are not shared")]
    Link,
    /// A pipe, a socket or a device.
    #[error("only regular files are shared")]
    Special,
    /// An unfinished download.
    #[error("unfinished downloads are not shared as files")]
    Unfinished,
    /// The name is not UTF-8.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// The network does not accept the path.
    #[error("its name cannot be shared: {0}")]
    BadName(SharePathError),
    /// A hard link to a file that belongs to another user.
    #[error("it is a hard link to a file of another user")]
    ForeignLink,
    /// The file cannot be read, or its hash cannot be stored.
    #[error("it cannot be hashed: {0}")]
    Unreadable(io::ErrorKind),
    /// The system is out of memory or file descriptors.
    #[error("the system is out of memory or file descriptors; it will be scanned again")]
    SystemLimit,
    /// The file changes while it is being hashed, and will be hashed again later.
    #[error("it keeps changing; it will be hashed again later")]
    Changing,
    /// The file is larger than allowed, or the node shares the maximum number of files.
    #[error("it exceeds the limits of what a node may share")]
    OverLimit,
    /// The root folder, or a folder that contains the share folder.
    #[error("it contains the node's own folder; register the folders in it instead")]
    ContainsNode,
    /// A part of the node's own state.
    #[error("the node's own state is never shared")]
    OwnState,
    /// A pattern excludes it.
    #[error("excluded by the pattern {0}")]
    Excluded(String),
    /// A pattern of the folder is invalid, so nothing in the folder is shared.
    #[error("invalid patterns, so nothing in it is shared: {0}")]
    BadPatterns(PatternError),
    /// The user has unregistered it.
    #[error("unregistered; register shares it again")]
    Unregistered,
}

impl SkipReason {
    /// Returns true if the reason is part of normal operation and needs no warning.
    pub(crate) fn is_expected(&self) -> bool {
        matches!(
            self,
            Self::Hidden | Self::Unfinished | Self::OwnState | Self::Excluded(_) | Self::Unregistered
        )
    }

    /// Returns a short label for counts, e.g. "hidden: 3".
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Link => "links",
            Self::Special => "special files",
            Self::Unfinished => "unfinished downloads",
            Self::NotUtf8 | Self::BadName(_) => "names",
            Self::ForeignLink => "hard links to other users' files",
            Self::Unreadable(_) => "unreadable",
            Self::SystemLimit | Self::Changing => "to be checked again",
            Self::OverLimit => "over a limit",
            Self::ContainsNode | Self::OwnState => "the node's own folders",
            Self::Excluded(_) => "excluded by patterns",
            Self::BadPatterns(_) => "invalid patterns",
            Self::Unregistered => "unregistered",
        }
    }
}

/// A skipped entry of a scan.
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

/// Returns a local path, display-safe.
pub(super) fn display_path(path: &Path) -> String {
    display_safe_bytes(path.as_os_str().as_encoded_bytes())
}
