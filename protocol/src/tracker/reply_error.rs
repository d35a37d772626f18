use crate::bencode::BencodeError;

/// Tells why the body of an answer is no answer of a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackerReplyError {
    /// It is longer than an answer may be.
    #[error("an answer of more than {limit} bytes")]
    TooLong {
        /// The most bytes that are read.
        limit: usize,
    },
    /// It is not bencoded.
    #[error("not the answer of a tracker: {0}")]
    NotBencode(#[from] BencodeError),
    /// It is bencoded, but not a dictionary.
    #[error("not the answer of a tracker: {kind}, not a dictionary")]
    NotADictionary {
        /// What it is.
        kind: &'static str,
    },
    /// It lacks what it was asked for.
    #[error("the answer of the tracker has no `{key}`")]
    Missing {
        /// What is missing.
        key: &'static str,
    },
}
