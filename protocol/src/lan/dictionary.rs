use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{ChunkName, ChunkNameError};
use crate::escape::excerpt;
use crate::limits::MAX_CHUNK_HOLDERS;

/// A line of `content_dictionary.txt`: the holders of a chunk, as in `cherry_1: 192.168.1.7, 192.168.1.9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictionaryLine {
    /// The chunk.
    pub chunk: ChunkName,
    /// The addresses that have announced it, in the order in which they are tried.
    pub holders: Vec<IpAddr>,
}

/// Why a line is not a dictionary line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DictionaryLineError {
    /// The line contains no `: `.
    #[error("expected `CHUNK: ADDRESS, ...`, found {0}")]
    NoAddresses(String),
    /// The part before the colon is not a chunk name.
    #[error(transparent)]
    Chunk(#[from] ChunkNameError),
    /// The part after the colon contains something other than addresses.
    #[error("{0} is not an address")]
    NotAnAddress(String),
    /// The line has too many addresses.
    #[error("more than {MAX_CHUNK_HOLDERS} addresses for one chunk")]
    TooMany,
}

impl fmt::Display for DictionaryLine {
    /// Formats the line as in the file, without the line ending.
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
        // A chunk name may contain a colon and a space; an address cannot.
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
