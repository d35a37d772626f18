use std::path::{Path, PathBuf};

use protocol::digest::Digest;

use crate::view::DownloadId;

/// A content that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Which.
    pub digest: Digest,
    /// Its size in bytes, if known: sources that say otherwise are not believed.
    pub size: Option<u64>,
    /// The share path by which it was chosen, if it was. Of several sources, the one that has the file under this path
    /// gives the modification time.
    pub path: Option<String>,
    /// Where it shall lie.
    pub target: DownloadTarget,
    /// Where it shall lie as well: it is fetched once and copied.
    pub copies: Vec<DownloadTarget>,
    /// Whether a shared file of this content anywhere on this machine is enough, so that nothing need be at the target.
    pub anywhere: bool,
    /// How the files are saved.
    pub save_options: SaveOptions,
}

/// How the files of a download are saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SaveOptions {
    /// Make hard links to content that is on this machine, where possible, instead of copies.
    pub link: bool,
    /// Keep the executable bit of the source.
    pub executable: bool,
}

/// Where a download shall lie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DownloadTarget {
    /// In the node's folder, under this name or share path from the network, made safe component by component.
    InFolder(String),
    /// At a path of the user's own, relative to the node's folder: a file, or a folder if it ends in a slash or is one,
    /// in which the file gets the name that is given.
    AtPath(PathBuf, String),
}

/// A download that need not, or cannot, begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// The content is there already.
    #[error("already here: {}", location.display())]
    AlreadyHere {
        /// Where it lies.
        location: PathBuf,
    },
    /// It is on its way to where it is wanted.
    #[error("already under way as download {}", id.0)]
    Running {
        /// Which download it is.
        id: DownloadId,
    },
    /// A torrent is fetching it to another place than where it is wanted.
    #[error("under way as torrent {} to another place; download it again when the torrent is complete", id.0)]
    Elsewhere {
        /// Which download it is.
        id: DownloadId,
    },
}

impl DownloadTarget {
    /// Returns the path that a person has given, if so.
    pub(crate) fn user_path(&self) -> Option<&Path> {
        if let Self::AtPath(path, _) = self { Some(path) } else { None }
    }
}

impl WantedFile {
    /// Returns every place where the file is wanted.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &DownloadTarget> {
        std::iter::once(&self.target).chain(&self.copies)
    }
}
