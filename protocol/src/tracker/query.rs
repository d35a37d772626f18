//! Reading the query of a URL: pairs of keys and values.

use super::percent;
use crate::infohash::Infohash;
use crate::limits::MAX_TRACKER_QUERY;

/// Tells why a query is no question to a tracker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackerQueryError {
    /// It is longer than any question.
    #[error("a query of more than {limit} bytes")]
    TooLong {
        /// The most bytes that are read.
        limit: usize,
    },
    /// Something that must be there is not.
    #[error("no {key} in the query")]
    Missing {
        /// What is missing.
        key: &'static str,
    },
    /// Something stands twice that can be there once only.
    #[error("more than one {key} in the query")]
    Repeated {
        /// What stands twice.
        key: &'static str,
    },
    /// A value holds a `%` that is not followed by two hexadecimal digits.
    #[error("{key} is not percent-encoded")]
    BadEscape {
        /// Whose value it is.
        key: &'static str,
    },
    /// A value that must be 20 bytes is not.
    #[error("{key} is {length} bytes, not 20")]
    NotTwentyBytes {
        /// Whose value it is.
        key: &'static str,
        /// How many bytes it has.
        length: usize,
    },
    /// A value that must be a number is not, or is too large.
    #[error("{key} is not a number that can be")]
    NotANumber {
        /// Whose value it is.
        key: &'static str,
    },
    /// More torrents are asked for than are answered at once.
    #[error("more than {limit} torrents in one question")]
    TooManyTorrents {
        /// The most.
        limit: usize,
    },
}

/// The query of a URL, with or without the `?`, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryPairs<'a>(&'a str);

impl<'a> QueryPairs<'a> {
    pub(super) fn new(query: &'a str) -> Result<Self, TrackerQueryError> {
        if query.len() > MAX_TRACKER_QUERY {
            return Err(TrackerQueryError::TooLong { limit: MAX_TRACKER_QUERY });
        }
        Ok(Self(query.strip_prefix('?').unwrap_or(query)))
    }

    /// Lists the values of a key, in order.
    pub(super) fn all(self, key: &str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter(move |(found, _)| *found == key).map(|(_, value)| value)
    }

    /// Gives the value of a key that may be there once, undecoded.
    pub(super) fn one(self, key: &'static str) -> Result<Option<&'a str>, TrackerQueryError> {
        let mut values = self.all(key);
        let first = values.next();
        if values.next().is_some() { Err(TrackerQueryError::Repeated { key }) } else { Ok(first) }
    }

    /// Gives the bytes of a key that may be there once.
    pub(super) fn bytes(self, key: &'static str) -> Result<Option<Vec<u8>>, TrackerQueryError> {
        self.one(key)?
            .map(|value| percent::decode(value).ok_or(TrackerQueryError::BadEscape { key }))
            .transpose()
    }

    /// Gives the 20 bytes of a key that must be there once.
    pub(super) fn twenty_bytes(self, key: &'static str) -> Result<[u8; 20], TrackerQueryError> {
        parse_twenty_bytes(key, self.one(key)?.ok_or(TrackerQueryError::Missing { key })?)
    }

    /// Gives the number of a key that may be there once.
    pub(super) fn number<N: std::str::FromStr>(
        self,
        key: &'static str,
    ) -> Result<Option<N>, TrackerQueryError> {
        self.one(key)?
            .map(|value| value.parse().map_err(|_| TrackerQueryError::NotANumber { key }))
            .transpose()
    }

    /// Says whether a key is there and set to 1.
    pub(super) fn flag(self, key: &'static str) -> Result<bool, TrackerQueryError> {
        Ok(self.one(key)? == Some("1"))
    }

    /// Lists the torrents that are asked for.
    pub(super) fn infohashes(self) -> impl Iterator<Item = Result<Infohash, TrackerQueryError>> {
        self.all("info_hash").map(|value| parse_twenty_bytes("info_hash", value).map(Infohash::from_bytes))
    }
}

fn parse_twenty_bytes(key: &'static str, value: &str) -> Result<[u8; 20], TrackerQueryError> {
    let bytes = percent::decode(value).ok_or(TrackerQueryError::BadEscape { key })?;
    bytes.try_into().map_err(|bytes: Vec<u8>| TrackerQueryError::NotTwentyBytes { key, length: bytes.len() })
}
