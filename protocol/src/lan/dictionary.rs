use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{ChunkName, ChunkNameError};
use crate::escape::excerpt;
use crate::limits::MAX_CHUNK_HOLDERS;

/// A line of `content_dictionary.txt`: who has a chunk, as in `cherry_1: 192.168.1.7, 192.168.1.9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictionaryLine {
    /// The chunk.
    pub chunk: ChunkName,
    /// Who has announced it, in the order in which they are to be asked.
    pub holders: Vec<IpAddr>,
}

/// A line that is none of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DictionaryLineError {
    /// There is no `: ` in it.
    #[error("no chunk and addresses stand in it: {0}")]
    NoAddresses(String),
    /// What stands in front is not a chunk.
    #[error(transparent)]
    Chunk(#[from] ChunkNameError),
    /// What stands behind is not an address.
    #[error("{0} is not an address")]
    NotAnAddress(String),
    /// There are too many.
    #[error("more than {MAX_CHUNK_HOLDERS} addresses have the chunk")]
    TooMany,
}

impl fmt::Display for DictionaryLine {
    /// Writes the line as it stands in the file, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.chunk.as_str())?;
        for (at, holder) in self.holders.iter().enumerate() {
            write!(f, "{}{holder}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl FromStr for DictionaryLine {
    type Err = DictionaryLineError;

    fn from_str(line: &str) -> Result<Self, DictionaryLineError> {
        let missing = || DictionaryLineError::NoAddresses(excerpt(line));
        // No address has a colon and a space in it, but a name may.
        let (chunk, holders) = line.rsplit_once(": ").ok_or_else(missing)?;
        let address =
            |text: &str| text.trim().parse().map_err(|_| DictionaryLineError::NotAnAddress(excerpt(text)));
        let holders =
            holders.split(',').take(MAX_CHUNK_HOLDERS + 1).map(address).collect::<Result<Vec<_>, _>>()?;
        if holders.len() > MAX_CHUNK_HOLDERS {
            return Err(DictionaryLineError::TooMany);
        }
        Ok(Self { chunk: chunk.parse()?, holders })
    }
}
