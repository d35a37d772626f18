use std::io;
use std::path::PathBuf;

use protocol::lan::{ChunkName, ChunkNameError};

/// Trouble with the folder of chunks, or with a file that is to be cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChunkFolderError {
    /// The file's name does not serve.
    #[error("{} cannot be cut: {source}", path.display())]
    Name { path: PathBuf, source: ChunkNameError },
    /// Only files are cut.
    #[error("{} is not a file", path.display())]
    NotAFile { path: PathBuf },
    /// There is nothing in it.
    #[error("{} is empty: there is nothing to announce", path.display())]
    Empty { path: PathBuf },
    /// Another chunk has the name.
    #[error("{chunk} lies in the folder already and is something else; take another folder, or move it away")]
    Taken { chunk: ChunkName },
    /// No name is left for the file.
    #[error("no free name is left for {}", path.display())]
    NoFreeName { path: PathBuf },
    /// The system does not let us.
    #[error("cannot use {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl ChunkFolderError {
    /// Makes one of what the system said about a path.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
