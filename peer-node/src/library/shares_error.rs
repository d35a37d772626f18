use std::io;
use std::path::PathBuf;

use super::exclusions::PatternError;
use super::shares::VERSION;

/// Why the stored shares cannot be read. This is not ignored, because losing an exception would share files that the user has
/// excluded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SharesFileError {
    /// The file is damaged.
    #[error("the file is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// A later version of the program wrote the file.
    #[error("the file has version {0}, but this program supports only versions up to {VERSION}")]
    TooNew(u32),
    /// A path in the file is invalid.
    #[error("the file contains the invalid path {0:?}")]
    BadPath(PathBuf),
    /// A pattern in the file is invalid.
    #[error(transparent)]
    BadPattern(PatternError),
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}
