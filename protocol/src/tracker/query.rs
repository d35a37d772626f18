//! Parsing of URL queries: pairs of keys and values.

use super::percent;
use crate::infohash::Infohash;
use crate::limits::MAX_TRACKER_QUERY;

/// Why a query is not a valid tracker request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackerQueryError {
    /// The query is over the length limit.
    #[error("the query is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A required key is missing.
    #[error("no {key} in the query")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A key occurs more than once.
    #[error("duplicate {key} in the query")]
    Repeated {
        /// The key.
        key: &'static str,
    },
    /// A value contains a `%` that is not followed by two hexadecimal digits.
    #[error("{key} is not correctly percent-encoded")]
    BadEscape {
        /// The key of the value.
        key: &'static str,
    },
    /// A value does not have 20 bytes.
    #[error("{key} is {length} bytes, not 20")]
    NotTwentyBytes {
        /// The key of the value.
        key: &'static str,
        /// The length of the value in bytes.
        length: usize,
    },
    /// A value is not a number, or is out of range.
    #[error("{key} is not a valid number")]
    NotANumber {
        /// The key of the value.
        key: &'static str,
    },
    /// A scrape names too many torrents.
    #[error("more than {limit} torrents in one request")]
    TooManyTorrents {
        /// The limit.
        limit: usize,
    },
}

/// The undecoded query of a URL.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryPairs<'a>(&'a str);

impl<'a> QueryPairs<'a> {
    pub(super) fn new(query: &'a str) -> Result<Self, TrackerQueryError> {
        if query.len() > MAX_TRACKER_QUERY {
            return Err(TrackerQueryError::TooLong { limit: MAX_TRACKER_QUERY });
        }
        Ok(Self(query.strip_prefix('?').unwrap_or(query)))
    }

    /// Returns the values of a key, in order.
    pub(super) fn all(self, key: &str) -> impl Iterator<Item = &'a str> {
        let pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter(move |(found, _)| *found == key).map(|(_, value)| value)
    }

    /// Returns the undecoded value of an optional, unique key.
    pub(super) fn one(self, key: &'static str) -> Result<Option<&'a str>, TrackerQueryError> {
        let mut values = self.all(key);
        let first = values.next();
        if values.next().is_some() { Err(TrackerQueryError::Repeated { key }) } else { Ok(first) }
    }

    /// Returns the decoded value of an optional, unique key.
    pub(super) fn bytes(self, key: &'static str) -> Result<Option<Vec<u8>>, TrackerQueryError> {
        self.one(key)?
            .map(|value| percent::decode(value).ok_or(TrackerQueryError::BadEscape { key }))
            .transpose()
    }

    /// Returns the 20 bytes of a required, unique key.
    pub(super) fn twenty_bytes(self, key: &'static str) -> Result<[u8; 20], TrackerQueryError> {
        parse_twenty_bytes(key, self.one(key)?.ok_or(TrackerQueryError::Missing { key })?)
    }

    /// Returns the number of an optional, unique key.
    pub(super) fn number<N: std::str::FromStr>(
        self,
        key: &'static str,
    ) -> Result<Option<N>, TrackerQueryError> {
        self.one(key)?
            .map(|value| value.parse().map_err(|_| TrackerQueryError::NotANumber { key }))
            .transpose()
    }

    /// Returns true if a key is set to 1.
    pub(super) fn flag(self, key: &'static str) -> Result<bool, TrackerQueryError> {
        Ok(self.one(key)? == Some("1"))
    }

    /// Returns the infohashes of the query.
    pub(super) fn infohashes(self) -> impl Iterator<Item = Result<Infohash, TrackerQueryError>> {
        self.all("info_hash").map(|value| parse_twenty_bytes("info_hash", value).map(Infohash::from_bytes))
    }
}

fn parse_twenty_bytes(key: &'static str, value: &str) -> Result<[u8; 20], TrackerQueryError> {
    let bytes = percent::decode(value).ok_or(TrackerQueryError::BadEscape { key })?;
    bytes.try_into().map_err(|bytes: Vec<u8>| TrackerQueryError::NotTwentyBytes { key, length: bytes.len() })
}
