use std::path::{Path, PathBuf};

use protocol::digest::Digest;

use crate::view::DownloadId;

/// A request for a file by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedFile {
    /// SHA-256 of the content.
    pub digest: Digest,
    /// The size in bytes, if known; offers with another size are ignored.
    pub size: Option<u64>,
    /// The share path by which the content was chosen, if any. The modification time is taken from the source that has the
    /// file under this path.
    pub path: Option<String>,
    /// Where to save the file.
    pub target: DownloadTarget,
    /// Additional targets: the file is fetched once and copied.
    pub copies: Vec<DownloadTarget>,
    /// Accept any shared file on this machine with this content, so that nothing is saved at the target.
    pub anywhere: bool,
    /// How to save the files.
    pub save_options: SaveOptions,
}

/// How the files of a download are saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SaveOptions {
    /// Make hard links to content on this machine where possible, instead of copies.
    pub link: bool,
    /// Keep the executable bit of the source.
    pub executable: bool,
}

/// Where a download is saved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DownloadTarget {
    /// In the node's folder, under this name or share path from the network; each component is sanitized.
    InFolder(String),
    /// At the user's path, relative to the node's folder. If the path ends in a slash or is a folder, the file is saved in it
    /// under the given name.
    AtPath(PathBuf, String),
}

/// Why a download was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotStarted {
    /// The content is already at the target.
    #[error("already here: {}", location.display())]
    AlreadyHere {
        /// Path of the existing file.
        location: PathBuf,
    },
    /// The content is already being downloaded to the target.
    #[error("already under way as download {}", id.0)]
    Running {
        /// The running download.
        id: DownloadId,
    },
    /// A torrent is downloading the content to another location.
    #[error("already under way as torrent {} in another folder; download it again when the torrent is complete", id.0)]
    Elsewhere {
        /// The running torrent.
        id: DownloadId,
    },
}

impl DownloadTarget {
    /// Returns the path given by the user, if any.
    pub(crate) fn user_path(&self) -> Option<&Path> {
        if let Self::AtPath(path, _) = self { Some(path) } else { None }
    }
}

impl WantedFile {
    /// Returns all targets of the file.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &DownloadTarget> {
        std::iter::once(&self.target).chain(&self.copies)
    }
}
