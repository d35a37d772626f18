use std::fmt;
use std::str::FromStr;

use crate::escape::{display_safe, excerpt};
use crate::limits::{MAX_CHUNK_COUNT, MAX_CHUNK_NAME};
use crate::share_path::{SharePath, SharePathError};

/// The name of a chunk: the file's name without its extension, `_`, and the chunk's number, from 1.
///
/// It is a single path component and not hidden, so it cannot name anything outside its folder. It is displayed with
/// [`display_safe`], because it may contain characters that reorder text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkName {
    text: String,
    /// The offset of the underscore before the number.
    end: usize,
    number: u16,
}

/// A text that is not the name of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkNameError {
    /// The name is too long.
    #[error("the chunk name has {bytes} bytes; the limit is {MAX_CHUNK_NAME}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The name does not end in a number.
    #[error(
        "{0} is not a chunk name: it does not end in an underscore and a number from 1 to {MAX_CHUNK_COUNT}"
    )]
    MissingNumber(String),
    /// The name contains a folder, or is hidden.
    #[error("{0} is not the name of a file in one folder")]
    NotAFileName(String),
    /// The name is not a valid file name.
    #[error(transparent)]
    Path(#[from] SharePathError),
}

impl ChunkName {
    /// Returns the name of a chunk of `file`, whose extension is dropped.
    pub fn of_file(file: &str, number: u16) -> Result<Self, ChunkNameError> {
        let stem = match file.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => file,
        };
        format!("{stem}_{number}").parse()
    }

    /// Returns the name of another chunk of the same file.
    pub fn sibling(&self, number: u16) -> Result<Self, ChunkNameError> {
        format!("{}_{number}", self.file()).parse()
    }

    /// Returns the name, unescaped.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the name of the file without its extension.
    pub fn file(&self) -> &str {
        self.text.get(..self.end).unwrap_or_default()
    }

    /// Returns the chunk's number, from 1.
    pub const fn number(&self) -> u16 {
        self.number
    }
}

impl FromStr for ChunkName {
    type Err = ChunkNameError;

    fn from_str(text: &str) -> Result<Self, ChunkNameError> {
        if text.len() > MAX_CHUNK_NAME {
            return Err(ChunkNameError::TooLong { bytes: text.len() });
        }
        let no_number = || ChunkNameError::MissingNumber(excerpt(text));
        let (file, number) = text.rsplit_once('_').ok_or_else(no_number)?;
        let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| is_plain && *number <= MAX_CHUNK_COUNT);
        let number = number.ok_or_else(no_number)?;
        // The whole name is checked for its length, the part before the number as a file name of its own.
        let (whole, file_path) = (SharePath::parse(text)?, SharePath::parse(file)?);
        let is_basic = whole.is_basic() && file_path.is_basic();
        if !is_basic || file_path.components().count() > 1 || file.starts_with('.') {
            return Err(ChunkNameError::NotAFileName(excerpt(text)));
        }
        Ok(Self { text: text.to_owned(), end: file.len(), number })
    }
}

impl fmt::Display for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&display_safe(&self.text))
    }
}
