use std::io;
use std::path::{Path, PathBuf};

use protocol::escape::display_safe_bytes;
use protocol::share_path::SharePathError;

use super::listing::SharedFile;

/// What came of a registration or its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareReport {
    /// The files that are shared now, or are no longer, in the order of their paths.
    pub files: Vec<SharedFile>,
    /// What lies there and is not shared; at most [`MAX_SKIPPED`] are told.
    pub skipped: Vec<Skipped>,
}

/// The most skipped files that are told in one report or remembered of one scan.
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
    NotText,
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
    NoRoom,
    /// It kept changing while it was hashed, and is looked at again later.
    #[error("it keeps changing; it will be looked at again")]
    Changing,
    /// It is larger than any file may be, or one file more than a node may share.
    #[error("it is over the limit of what a node may share")]
    OverLimit,
    /// It is the whole machine, or a folder around the node's own.
    #[error("it is a folder that contains the node's own")]
    ContainsNode,
    /// It is part of the node's own state.
    #[error("the node's own state is never shared")]
    OwnState,
}

impl SkipReason {
    /// Says whether it is the ordinary course of things, about which nobody needs to be warned.
    pub(super) fn is_ordinary(&self) -> bool {
        matches!(self, Self::Hidden | Self::Unfinished | Self::OwnState)
    }
}

/// A skipped file as the scan knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) location: PathBuf,
    pub(super) reason: SkipReason,
}

impl Skip {
    pub(super) fn shown(&self) -> Skipped {
        Skipped { path: shown(&self.location), reason: self.reason.clone() }
    }
}

/// Returns a path of this machine, fit to be shown.
pub(super) fn shown(path: &Path) -> String {
    display_safe_bytes(path.as_os_str().as_encoded_bytes())
}
