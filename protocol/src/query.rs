//! The search language: what a person types to find files.
//!
//! | a term | finds files |
//! |---|---|
//! | `word` | with the word somewhere in the path, case and accents folded away |
//! | `big_buck`, `big-buck`, `big.buck`, `bigBuck` | with each of the words somewhere in the path |
//! | `"some words"` | with exactly this, spaces included, somewhere in the path |
//! | `ext:iso`, `ext:mp3,flac`, `ext:tar.gz` | whose name ends in the extension, or in any of several |
//! | `size:>100M`, `size:<=2G`, `size:100M..2G`, `size:1234` | of a size above, up to, between or exactly |
//! | `sha256:9f86d0`, `digest:9f86d0` | whose digest begins with these 4 to 64 hexadecimal digits |
//! | 64 hexadecimal digits | with this digest |
//! | 8 to 63 hexadecimal digits | whose digest begins with these, or with these in the path |
//! | `*` | of every kind |
//! | `*.flac`, `report*.pdf`, `*draft*` | with the text between asterisks, and with the extension behind the last one |
//! | `-` in front of any of these | to which it does not apply |
//!
//! Terms are separated by white space, and a file is found if all of them apply. At least one term must say what to
//! find, not only what to leave out. A lone `-` says nothing, and a word with any other `key:` in front is an ordinary
//! word unless a person types it ([`Query::parse_typed`]), since names hold such things; quotes make an ordinary word of
//! anything.

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

/// The filters that there are, without their colons.
const KEYS: [&str; 4] = ["ext", "size", "sha256", "digest"];

/// Holds what a search asks for, parsed once and then matched against many files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
    compounds: Vec<Compound>,
    /// What else is required.
    required: Vec<Term>,
    excluded: Vec<Term>,
}

impl Query {
    /// Reads a search, or returns what to write instead.
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

    /// Returns true if a file is one that is searched for.
    ///
    /// The path is to be folded already, with [`crate::fold::fold`], once for all searches.
    pub fn matches(&self, folded_path: &str, size: u64, digest: &Digest) -> bool {
        self.words.iter().all(|word| folded_path.contains(word.as_str()))
            && self.compounds.iter().all(|compound| compound.is_in(folded_path))
            && self.required.iter().all(|term| term.matches(folded_path, size, digest))
            && !self.excluded.iter().any(|term| term.matches(folded_path, size, digest))
    }

    /// Returns the folded words, none of them empty, that the path of every match contains.
    ///
    /// A match may have to meet more than these.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns the words that were typed as one; the path of every match contains all their parts.
    pub fn compounds(&self) -> &[Compound] {
        &self.compounds
    }

    /// Returns the words of which every match has each in its path or at the start of its digest.
    pub fn hash_words(&self) -> impl Iterator<Item = &HashWord> {
        self.required.iter().filter_map(|term| match term {
            Term::Hash(word) => Some(word),
            _ => None,
        })
    }

    /// Returns the endings, with their dots and folded, of which the path of every match has one from each list.
    pub fn extensions(&self) -> impl Iterator<Item = &[String]> {
        self.required.iter().filter_map(|term| match term {
            Term::Extension(endings) => Some(endings.as_slice()),
            _ => None,
        })
    }

    /// Returns what the digest of every match begins with; the longest, if the search names several.
    pub fn digest_prefix(&self) -> Option<&DigestPrefix> {
        let prefixes = self.required.iter().filter_map(|term| match term {
            Term::Digest(prefix) => Some(prefix),
            _ => None,
        });
        prefixes.max_by_key(|prefix| prefix.digits())
    }
}
