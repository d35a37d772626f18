use std::io;
use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use protocol::metainfo::MetainfoError;

/// Why a torrent cannot be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeTorrentError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", display_path(path))]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The I/O error.
        error: io::Error,
    },
    /// The path is neither a file nor a folder.
    #[error("{} is neither a file nor a folder", display_path(path))]
    NotFileOrFolder {
        /// The path.
        path: PathBuf,
    },
    /// The content has no bytes.
    #[error("{} has no bytes in it; a torrent needs at least one", display_path(path))]
    Empty {
        /// The file or folder.
        path: PathBuf,
    },
    /// The name of the file or folder is not valid in a torrent.
    #[error("the name of {} is not valid in a torrent; give the torrent another name", display_path(path))]
    InvalidName {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file was changed while it was read.
    #[error("{} was changed while it was read; try again when no program writes to it", display_path(path))]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The torrent would exceed the size limit of `.torrent` files.
    #[error("{pieces} pieces of {piece_length} bytes are too many for a torrent; choose longer pieces")]
    TooManyPieces {
        /// Number of pieces.
        pieces: u64,
        /// Piece length in bytes.
        piece_length: u32,
    },
    /// The metainfo would be invalid.
    #[error("cannot create a torrent from {}: {fault}", display_path(path))]
    InvalidMetainfo {
        /// The file or folder.
        path: PathBuf,
        /// The fault.
        fault: MetainfoError,
    },
    /// The operation was cancelled.
    #[error("cancelled")]
    Cancelled,
}

fn display_path(path: &Path) -> String {
    display_safe(&path.to_string_lossy()).into_owned()
}
