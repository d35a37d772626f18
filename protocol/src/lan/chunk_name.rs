use std::fmt;
use std::str::FromStr;

use crate::escape::{display_safe, excerpt};
use crate::limits::{MAX_CHUNK_COUNT, MAX_CHUNK_NAME};
use crate::share_path::{SharePath, SharePathError};

/// The name of a chunk: a file's name without its extension, `_`, and the chunk's number from 1 on.
///
/// It is a single plain component of a path that is not hidden, so it names a file in one folder and nothing outside. It is
/// shown with [`display_safe`], since it may hold marks that reorder text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkName {
    text: String,
    /// Where the number's underscore stands.
    end: usize,
    number: u16,
}

/// A text that is not the name of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkNameError {
    /// It is too long.
    #[error("a name of {bytes} bytes: with its number, it may have at most {MAX_CHUNK_NAME}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It does not end in a number.
    #[error(
        "{0} does not end in an underscore and a number from 1 to {MAX_CHUNK_COUNT}, as the name of a chunk does"
    )]
    MissingNumber(String),
    /// It names a folder too, or what is hidden.
    #[error("{0} is not the name of a file in one folder")]
    NotAFileName(String),
    /// It cannot be the name of a file.
    #[error(transparent)]
    Path(#[from] SharePathError),
}

impl ChunkName {
    /// Names a chunk of a file; the extension of `file`, if it has one, is left out.
    pub fn of_file(file: &str, number: u16) -> Result<Self, ChunkNameError> {
        let stem = match file.rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => file,
        };
        format!("{stem}_{number}").parse()
    }

    /// Names another chunk of the same file.
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

    /// Returns which of the file's chunks it is; the first is 1.
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
        // Judged as a whole for the length, and without the number for what is left of the file's own name.
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
