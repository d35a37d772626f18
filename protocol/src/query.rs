//! The search language.
//!
//! | term | matches files |
//! |---|---|
//! | `word` | whose path contains the word, ignoring case and accents |
//! | `big_buck`, `big-buck`, `big.buck`, `bigBuck` | whose path contains each of the words |
//! | `"some words"` | whose path contains exactly this text, including spaces |
//! | `ext:iso`, `ext:mp3,flac`, `ext:tar.gz` | whose name ends in one of the extensions |
//! | `size:>100M`, `size:<=2G`, `size:100M..2G`, `size:1234` | with a size above, up to, between or equal |
//! | `sha256:9f86d0`, `digest:9f86d0` | whose digest begins with these 4 to 64 hexadecimal digits |
//! | 64 hexadecimal digits | with this digest |
//! | 8 to 63 hexadecimal digits | whose digest begins with these digits, or whose path contains them |
//! | `*` | all files |
//! | `*.flac`, `report*.pdf`, `*draft*` | that contain the texts between asterisks and have the extension after the last one |
//! | `-` before any of these | that do not match the term |
//!
//! Terms are separated by whitespace, and a file must match all of them. At least one term must not be an exclusion.
//! A lone `-` is ignored. A word with an unknown `key:` is an ordinary word, because names contain such words, unless
//! a user types it ([`Query::parse_typed`]). Quotes turn anything into an ordinary word.

mod compound;
mod digest_prefix;
mod error;
mod fit;
mod size_range;
mod term;
#[cfg(test)]
mod tests;
mod token;
mod typed;

pub use compound::{Compound, Joint};
pub use digest_prefix::{DigestPrefix, DigestPrefixError};
pub use error::QueryError;
pub use fit::{Fit, open_ends};
pub use term::HashWord;

use crate::digest::Digest;
use crate::limits::{MAX_QUERY, MAX_QUERY_TERMS};
use term::Term;

/// The supported filters, without their colons.
const KEYS: [&str; 4] = ["ext", "size", "sha256", "digest"];

/// A search, parsed once and then matched against many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
    compounds: Vec<Compound>,
    /// All other required terms.
    required: Vec<Term>,
    excluded: Vec<Term>,
}

impl Query {
    /// Parses a search; the error suggests a correction.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY {
            return Err(QueryError::TooLong { limit: MAX_QUERY });
        }
        let (words, compounds, required, excluded) = Default::default();
        let mut query = Self { words, compounds, required, excluded };
        for token in token::split(text)? {
            let terms = Term::parse(&token)?;
            if !token.excluded {
                for term in terms {
                    query.require(term);
                }
            } else if !terms.is_empty() {
                query.excluded.push(Term::All(terms));
            }
        }
        if query.words.is_empty() && query.compounds.is_empty() && query.required.is_empty() {
            return Err(QueryError::Empty);
        }
        let parts: usize = query.compounds.iter().map(|compound| compound.words().count()).sum();
        let excluded: usize = query.excluded.iter().map(Term::leaf_count).sum();
        if query.words.len() + parts + excluded > MAX_QUERY_TERMS {
            return Err(QueryError::TooManyTerms { limit: MAX_QUERY_TERMS });
        }
        Ok(query)
    }

    fn require(&mut self, term: Term) {
        match term {
            Term::Word(word) => self.words.push(word),
            Term::Compound(compound) => self.compounds.push(compound),
            term => self.required.push(term),
        }
    }

    /// Returns true if a file matches.
    ///
    /// The caller folds the path with [`crate::fold::fold`], once for all searches.
    pub fn matches(&self, folded_path: &str, size: u64, digest: &Digest) -> bool {
        self.words.iter().all(|word| folded_path.contains(word.as_str()))
            && self.compounds.iter().all(|compound| compound.is_in(folded_path))
            && self.required.iter().all(|term| term.matches(folded_path, size, digest))
            && !self.excluded.iter().any(|term| term.matches(folded_path, size, digest))
    }

    /// Returns the folded, non-empty words that the path of every match contains.
    ///
    /// They are necessary but not sufficient for a match.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns the compound words; the path of every match contains all their parts.
    pub fn compounds(&self) -> &[Compound] {
        &self.compounds
    }

    /// Returns the words that every match has in its path or at the start of its digest.
    pub fn hash_words(&self) -> impl Iterator<Item = &HashWord> {
        self.required.iter().filter_map(|term| match term {
            Term::Hash(word) => Some(word),
            _ => None,
        })
    }

    /// Returns lists of folded endings with their dots; the path of every match has one ending of each list.
    pub fn extensions(&self) -> impl Iterator<Item = &[String]> {
        self.required.iter().filter_map(|term| match term {
            Term::Extension(endings) => Some(endings.as_slice()),
            _ => None,
        })
    }

    /// Returns the prefix of every match's digest; the longest, if the search contains several.
    pub fn digest_prefix(&self) -> Option<&DigestPrefix> {
        let prefixes = self.required.iter().filter_map(|term| match term {
            Term::Digest(prefix) => Some(prefix),
            _ => None,
        });
        prefixes.max_by_key(|prefix| prefix.digits())
    }
}
