use std::io;
use std::path::PathBuf;

use super::caution::Caution;
use super::exclusions::PatternError;
use super::report::{SkipReason, display_path};
use super::shares_error::SharesFileError;

/// Why the library cannot do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// There is no such file or folder.
    #[error("there is no file or folder {}", display_path(path))]
    NotFound {
        /// The path that was named.
        path: PathBuf,
    },
    /// What was named is of a kind that is never shared.
    #[error("{} cannot be shared: {reason}", display_path(path))]
    CannotShare {
        /// The path that was named.
        path: PathBuf,
        /// Why not.
        reason: SkipReason,
    },
    /// Sharing it may not be what the user wants.
    #[error("{} {caution}", display_path(path))]
    Unconfirmed {
        /// The path that was named.
        path: PathBuf,
        /// What speaks against it.
        caution: Caution,
    },
    /// A pattern cannot be used.
    #[error(transparent)]
    BadPattern(#[from] PatternError),
    /// Patterns were given with something that is not a folder.
    #[error("{} is not a folder, so patterns cannot leave out files in it", display_path(path))]
    PatternsForFile {
        /// The path that was named.
        path: PathBuf,
    },
    /// What was named is not shared anyway.
    #[error("{} is not shared", display_path(path))]
    NotShared {
        /// The path that was named.
        path: PathBuf,
    },
    /// What lies there is not the content that was announced.
    #[error("{} is not the file that was downloaded", display_path(path))]
    WrongContent {
        /// Where it should lie.
        path: PathBuf,
    },
    /// What was shared before cannot be found out.
    #[error(
        "cannot use {}: {source}; repair it, or remove it to share the folder without exceptions",
        display_path(path)
    )]
    BadShares {
        /// The file that tells it.
        path: PathBuf,
        /// What is wrong with it.
        source: SharesFileError,
    },
    /// A file of the node's state, or one that was named, cannot be read or written.
    #[error("cannot use {}: {source}", display_path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The library is no longer at work.
    #[error("the node is stopping")]
    Stopped,
}
