//! The search language: what a person types to find files.
//!
//! | a term | finds files |
//! |---|---|
//! | `word` | with the word somewhere in the path, case and accents folded away |
//! | `"some words"` | with exactly this, spaces included, somewhere in the path |
//! | `ext:iso`, `ext:mp3,flac`, `ext:tar.gz` | whose name ends in the extension, or in any of several |
//! | `size:>100M`, `size:<=2G`, `size:100M..2G`, `size:1234` | of a size above, up to, between or exactly |
//! | `sha256:9f86d0`, `digest:9f86d0` | whose digest begins with these 4 to 64 hexadecimal digits |
//! | 64 hexadecimal digits | with this digest |
//! | 8 to 63 hexadecimal digits | whose digest begins with these, or with these in the path |
//! | `*` | of every kind |
//! | `-` in front of any of these | to which it does not apply |
//!
//! Terms are separated by white space, and a file is found if all of them apply. At least one term must say what to
//! find, not only what to leave out. A lone `-` and a word with any other `key:` in front are ordinary words, since
//! names hold such things; quotes make an ordinary word of anything.

mod digest_prefix;
mod error;
mod size_range;
mod term;
#[cfg(test)]
mod tests;
mod token;

pub use digest_prefix::{DigestPrefix, DigestPrefixError};
pub use error::QueryError;
pub use term::HashWord;

use crate::digest::Digest;
use crate::limits::MAX_QUERY;
use term::Term;

/// Holds what a search asks for, parsed once and then matched against many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
    /// What else is required.
    required: Vec<Term>,
    excluded: Vec<Term>,
}

impl Query {
    /// Reads a search, or tells what to write instead.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY {
            return Err(QueryError::TooLong { limit: MAX_QUERY });
        }
        let mut query = Self { words: Vec::new(), required: Vec::new(), excluded: Vec::new() };
        for token in token::split(text)? {
            let Some(term) = Term::parse(&token)? else { continue };
            match term {
                _ if token.excluded => query.excluded.push(term),
                Term::Word(word) => query.words.push(word),
                _ => query.required.push(term),
            }
        }
        if query.words.is_empty() && query.required.is_empty() {
            return Err(QueryError::Empty);
        }
        Ok(query)
    }

    /// Tells whether a file is one that is searched for.
    ///
    /// The path is to be folded already, with [`crate::fold::fold`], once for all searches.
    pub fn matches(&self, folded_path: &str, size: u64, digest: &Digest) -> bool {
        self.words.iter().all(|word| folded_path.contains(word.as_str()))
            && self.required.iter().all(|term| term.applies(folded_path, size, digest))
            && !self.excluded.iter().any(|term| term.applies(folded_path, size, digest))
    }

    /// Lists the folded words, none of them empty, that the path of every match contains.
    ///
    /// A match may have to meet more than these.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Lists the words of which every match has each in its path or at the start of its digest.
    pub fn hash_words(&self) -> impl Iterator<Item = &HashWord> {
        self.required.iter().filter_map(|term| match term {
            Term::Hash(word) => Some(word),
            _ => None,
        })
    }

    /// Lists the endings, with their dots and folded, of which the path of every match has one from each list.
    pub fn extensions(&self) -> impl Iterator<Item = &[String]> {
        self.required.iter().filter_map(|term| match term {
            Term::Extension(endings) => Some(endings.as_slice()),
            _ => None,
        })
    }

    /// Gives what the digest of every match begins with; the longest, if the search names several.
    pub fn digest_prefix(&self) -> Option<&DigestPrefix> {
        let prefixes = self.required.iter().filter_map(|term| match term {
            Term::Digest(prefix) => Some(prefix),
            _ => None,
        });
        prefixes.max_by_key(|prefix| prefix.digits())
    }
}
