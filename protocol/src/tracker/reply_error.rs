use crate::bencode::BencodeError;

/// Why the body of a reply is not a valid tracker reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackerReplyError {
    /// The reply is over the length limit.
    #[error("the tracker's reply is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The reply is not bencoded.
    #[error("invalid tracker reply: {0}")]
    NotBencode(#[from] BencodeError),
    /// The reply is not a dictionary.
    #[error("invalid tracker reply: {kind}, not a dictionary")]
    NotADictionary {
        /// The type of the value.
        kind: &'static str,
    },
    /// A required key is missing.
    #[error("the tracker's reply has no `{key}`")]
    Missing {
        /// The key.
        key: &'static str,
    },
}
