use std::io;
use std::path::PathBuf;

use super::caution::Caution;
use super::exclusions::PatternError;
use super::report::{SkipReason, display_path};
use super::shares_error::SharesFileError;

/// Why a request to the library failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The file or folder does not exist.
    #[error("there is no file or folder {}", display_path(path))]
    NotFound {
        /// The requested path.
        path: PathBuf,
    },
    /// The path is of a kind that is never shared.
    #[error("{} cannot be shared: {reason}", display_path(path))]
    CannotShare {
        /// The requested path.
        path: PathBuf,
        /// Why the path cannot be shared.
        reason: SkipReason,
    },
    /// Sharing the path needs confirmation.
    #[error("{} {caution}", display_path(path))]
    Unconfirmed {
        /// The requested path.
        path: PathBuf,
        /// Why confirmation is needed.
        caution: Caution,
    },
    /// A pattern cannot be used.
    #[error(transparent)]
    BadPattern(#[from] PatternError),
    /// Patterns were given for a path that is not a folder.
    #[error("exclusion patterns need a folder, but {} is not one", display_path(path))]
    PatternsForFile {
        /// The requested path.
        path: PathBuf,
    },
    /// The path is not shared.
    #[error("{} is not shared", display_path(path))]
    NotShared {
        /// The requested path.
        path: PathBuf,
    },
    /// The file is not the one that was downloaded.
    #[error("{} is not the file that was downloaded", display_path(path))]
    WrongContent {
        /// Path of the file.
        path: PathBuf,
    },
    /// The stored shares cannot be read.
    #[error(
        "cannot use {}: {source}; repair it, or remove it to share the folder without exceptions",
        display_path(path)
    )]
    BadShares {
        /// Path of the list of shares.
        path: PathBuf,
        /// What is wrong with the list.
        source: SharesFileError,
    },
    /// A requested file or a file of the node's state cannot be read or written.
    #[error("cannot use {}: {source}", display_path(path))]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The library has stopped.
    #[error("the node is stopping")]
    Stopped,
}
