use super::digest_prefix::DigestPrefixError;
use crate::units::SizeError;
use thiserror::Error;

/// Why a text is not a valid search, with a suggested correction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The text is over the length limit.
    #[error("the search is too long; write at most {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The text has too many terms.
    #[error("the search has too many terms; write at most {limit}")]
    TooManyTerms {
        /// The limit.
        limit: usize,
    },
    /// The search has no term, or only exclusions.
    #[error("the search does not say what to find; write a word, ext:iso, size:>100M, or * for everything")]
    Empty,
    /// A size filter contains an invalid size.
    #[error("`{term}` is not a size to search for; write size:>100M, size:<=2G, size:100M..2G or size:1234")]
    BadSize {
        /// The term, shortened and display-safe.
        term: String,
        /// What is wrong with the size.
        source: SizeError,
    },
    /// A size filter matches no size at all.
    #[error("no file can have the size `{term}`; write the smaller size first, as in size:100M..2G")]
    ImpossibleSize {
        /// The term, shortened and display-safe.
        term: String,
    },
    /// An extension filter contains no extension, or an invalid one.
    #[error("`{term}` is not an extension to search for; write ext:iso, ext:tar.gz or ext:mp3,flac")]
    BadExtension {
        /// The term, shortened and display-safe.
        term: String,
    },
    /// A digest filter contains something other than a digest prefix.
    #[error("`{term}` is not the start of a digest; write sha256: and 4 to 64 of the digits 0-9 and a-f")]
    BadDigest {
        /// The term, shortened and display-safe.
        term: String,
        /// What is wrong with the digits.
        source: DigestPrefixError,
    },
    /// The filter does not exist.
    #[error(
        "unknown filter {key}:; use ext:, size:, sha256: or digest:, or search for the text in quotes: \"{term}\""
    )]
    UnknownKey {
        /// The name before the colon, shortened and display-safe.
        key: String,
        /// The term, shortened and display-safe.
        term: String,
    },
    /// The option does not exist.
    #[error("unknown option {option}; search for the text in quotes: \"{option}\"")]
    UnknownOption {
        /// The option, shortened and display-safe.
        option: String,
    },
    /// A quote is not closed.
    #[error("the quote in `{term}` is not closed; write a second \" where it ends")]
    UnclosedQuote {
        /// The quote and the text after it, shortened and display-safe.
        term: String,
    },
}
