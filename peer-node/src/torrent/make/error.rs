use std::io;
use std::path::{Path, PathBuf};

use protocol::escape::display_safe;
use protocol::metainfo::MetainfoError;

/// Why there is no torrent of a file or folder.
#[derive(Debug, thiserror::Error)]
pub enum MakeTorrentError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", display_path(path))]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What was named is neither a file nor a folder.
    #[error("{} is neither a file nor a folder", display_path(path))]
    NotFileOrFolder {
        /// What was named.
        path: PathBuf,
    },
    /// The folder has no bytes in it.
    #[error("{} has no bytes in it, and a torrent needs some", display_path(path))]
    Empty {
        /// Which file or folder.
        path: PathBuf,
    },
    /// The name of the file or folder is none for a torrent.
    #[error("the name of {} cannot be that of a torrent: give the torrent another name", display_path(path))]
    InvalidName {
        /// What has that name.
        path: PathBuf,
    },
    /// A file was changed meanwhile.
    #[error("{} was changed while it was read: try again when nobody writes to it", display_path(path))]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// The torrent would be longer than any that is read.
    #[error("{pieces} pieces of {piece_length} bytes are too many for a torrent: choose longer pieces")]
    TooManyPieces {
        /// How many there would be.
        pieces: u64,
        /// The length of a piece.
        piece_length: u32,
    },
    /// What the torrent would say is nothing that may stand in one.
    #[error("no torrent can be made of {}: {fault}", display_path(path))]
    InvalidMetainfo {
        /// Of which file or folder.
        path: PathBuf,
        /// What is wrong.
        fault: MetainfoError,
    },
    /// It was broken off.
    #[error("broken off")]
    Cancelled,
}

fn display_path(path: &Path) -> String {
    display_safe(&path.to_string_lossy()).into_owned()
}
