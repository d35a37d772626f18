use std::io;
use std::path::PathBuf;

use protocol::lan::{ChunkName, ChunkNameError};

/// Why the chunk folder, or a file to be cut, cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChunkFolderError {
    /// The file name is unsuitable for chunks.
    #[error("{} cannot be cut: {source}", path.display())]
    Name { path: PathBuf, source: ChunkNameError },
    /// The path is not a regular file.
    #[error("{} is not a file", path.display())]
    NotAFile { path: PathBuf },
    /// The file is empty.
    #[error("{} is empty: there is nothing to announce", path.display())]
    Empty { path: PathBuf },
    /// The folder has another chunk of the same name.
    #[error("the folder already has a different {chunk}; use another folder, or move it away")]
    Taken { chunk: ChunkName },
    /// All names for the file are taken.
    #[error("no free name is left for {}", path.display())]
    NoFreeName { path: PathBuf },
    /// Another I/O error.
    #[error("cannot use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl ChunkFolderError {
    /// Returns a function that adds a path to an I/O error.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
