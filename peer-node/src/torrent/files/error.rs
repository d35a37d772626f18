use std::io;
use std::path::{Path, PathBuf};

/// Why the files of a torrent cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TorrentFilesError {
    /// Every candidate name is taken.
    #[error("no free name is left for {}; move some of the existing files away", path.display())]
    NoFreeName {
        /// The first candidate.
        path: PathBuf,
    },
    /// Another download uses the same location.
    #[error("another download is using {}; wait for it or choose another folder", path.display())]
    InUse {
        /// The location.
        path: PathBuf,
    },
    /// Nothing at the path can be the torrent's content.
    #[error("there is nothing at {}; name the folder that holds the torrent's content", path.display())]
    NotFound {
        /// The expected path.
        path: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The operation was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl TorrentFilesError {
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}
