use super::digest_prefix::DigestPrefixError;
use crate::units::SizeError;
use thiserror::Error;

/// Tells why a text is not a search, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The text is longer than any that is accepted.
    #[error("the search is too long; write at most {limit} bytes")]
    TooLong {
        /// The most that is accepted, in bytes.
        limit: usize,
    },
    /// The text has more terms than are accepted.
    #[error("the search has too many terms; write at most {limit}")]
    TooManyTerms {
        /// The most that is accepted.
        limit: usize,
    },
    /// Nothing says what to find.
    #[error("the search does not say what to find; write a word, ext:iso, size:>100M, or * for everything")]
    Empty,
    /// A size filter has something in it that is no size.
    #[error("`{term}` is not a size to search for; write size:>100M, size:<=2G, size:100M..2G or size:1234")]
    BadSize {
        /// The term, shortened and display-safe.
        term: String,
        /// What is wrong with the size.
        source: SizeError,
    },
    /// A size filter leaves no size at all.
    #[error("no file can have the size `{term}`; write the smaller size first, as in size:100M..2G")]
    ImpossibleSize {
        /// The term, shortened and display-safe.
        term: String,
    },
    /// An extension filter has no extension in it, or what cannot be one.
    #[error("`{term}` is not an extension to search for; write ext:iso, ext:tar.gz or ext:mp3,flac")]
    BadExtension {
        /// The term, shortened and display-safe.
        term: String,
    },
    /// A digest filter has something in it that is not the start of a digest.
    #[error("`{term}` is not the start of a digest; write sha256: and 4 to 64 of the digits 0-9 and a-f")]
    BadDigest {
        /// The term, shortened and display-safe.
        term: String,
        /// What is wrong with the digits.
        source: DigestPrefixError,
    },
    /// A filter does not exist.
    #[error(
        "unknown filter {key}:; there are ext:, size:, sha256: and digest: (in quotes it is searched for: \"{term}\")"
    )]
    UnknownKey {
        /// The name in front of the colon, shortened and display-safe.
        key: String,
        /// The term, shortened and display-safe.
        term: String,
    },
    /// An option does not exist.
    #[error("unknown option {option} (in quotes it is searched for: \"{option}\")")]
    UnknownOption {
        /// The option, shortened and display-safe.
        option: String,
    },
    /// A quote is opened and not closed.
    #[error("the quote in `{term}` is not closed; write a second \" where it ends")]
    UnclosedQuote {
        /// What follows the quote, shortened and display-safe.
        term: String,
    },
}
