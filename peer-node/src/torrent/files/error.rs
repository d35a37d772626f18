use std::io;
use std::path::{Path, PathBuf};

/// The files of a torrent cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TorrentFilesError {
    /// Something is in the way of every name that was tried.
    #[error("no free name is left for {}; move some of what lies there away", path.display())]
    NoFreeName {
        /// The first of them.
        path: PathBuf,
    },
    /// Somebody fetches the same torrent to the same place.
    #[error("another download is at work on {}; wait for it, or choose another folder", path.display())]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// Nothing is there that could be the torrent's.
    #[error("there is nothing at {}; say in which folder the torrent's content lies", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was given up before it was done.
    #[error("cancelled")]
    Cancelled,
}

impl TorrentFilesError {
    pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}
