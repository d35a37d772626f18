use std::io;
use std::path::PathBuf;

use super::exclusions::PatternError;
use super::shares::VERSION;

/// Why the remembered shares cannot be read. It is not passed over, since forgetting an exception would share what the
/// user took out.
#[derive(Debug, thiserror::Error)]
pub enum SharesFileError {
    /// The file does not hold what was written.
    #[error("it is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// The file is of a later program.
    #[error("it has version {0}, and this program knows version {VERSION} only")]
    TooNew(u32),
    /// A path in it is not of the kind it must be.
    #[error("it holds the path {0:?}, which cannot stand there")]
    BadPath(PathBuf),
    /// A pattern in it cannot be used.
    #[error(transparent)]
    BadPattern(PatternError),
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}
