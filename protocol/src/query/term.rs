use super::compound::{Compound, SplitWords, split_words};
use super::digest_prefix::DigestPrefix;
use super::error::QueryError;
use super::size_range::parse_size_range;
use super::token::Token;
use crate::digest::Digest;
use crate::escape::excerpt;
use crate::fold::fold;
use std::ops::RangeInclusive;

/// The minimum number of hexadecimal digits for a bare word to be a possible digest prefix; shorter ones are often
/// words.
const MIN_HASH_WORD: usize = 8;

/// The number of digits of a complete digest: a bare word of this length is always a digest.
const DIGEST_DIGITS: usize = 64;

/// A word that may be a digest prefix as well as a part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashWord {
    word: String,
    prefix: DigestPrefix,
}

impl HashWord {
    /// Returns the folded word, as it would occur in a path.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Returns the word as a digest prefix.
    pub fn prefix(&self) -> &DigestPrefix {
        &self.prefix
    }
}

/// One condition on a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    /// Matches every file.
    Everything,
    /// A part of the folded path.
    Word(String),
    /// Several parts of the folded path.
    Compound(Compound),
    /// A part of the folded path, or a digest prefix.
    Hash(HashWord),
    /// Alternative endings of the folded path, with their dots.
    Extension(Vec<String>),
    Size(RangeInclusive<u64>),
    Digest(DigestPrefix),
    /// Matches where all terms match.
    All(Vec<Self>),
}

impl Term {
    /// Parses a token into its terms, all of which must match; empty if the token contains nothing to search for.
    pub(super) fn parse(token: &Token<'_>) -> Result<Vec<Self>, QueryError> {
        let text = token.text;
        if token.quoted || token.excluded && text == "*" {
            return Ok(literal_term(text).into_iter().collect());
        }
        if let Some((key, value)) = text.split_once(':') {
            match key.to_ascii_lowercase().as_str() {
                "ext" => return extensions(value, text).map(|endings| vec![Self::Extension(endings)]),
                "size" => return parse_size_range(value, text).map(|range| vec![Self::Size(range)]),
                "sha256" | "digest" => return digest(value, text).map(|prefix| vec![Self::Digest(prefix)]),
                _ => {}
            }
        }
        if text.contains('*') {
            return Ok(wildcard_terms(text));
        }
        Ok(hash_word(text).or_else(|| word_terms(text)).into_iter().collect())
    }

    /// Returns the number of elementary conditions. Recurses at most once, because an exclusion is a flat list of
    /// terms.
    pub(super) fn leaf_count(&self) -> usize {
        match self {
            Self::Compound(compound) => compound.words().count(),
            Self::All(terms) => terms.iter().map(Self::leaf_count).sum(),
            _ => 1,
        }
    }

    /// Returns true if a file matches the term.
    pub(super) fn matches(&self, folded_path: &str, size: u64, digest: &Digest) -> bool {
        match self {
            Self::Everything => true,
            Self::Word(word) => folded_path.contains(word.as_str()),
            Self::Compound(compound) => compound.is_in(folded_path),
            Self::Hash(hash) => folded_path.contains(hash.word()) || hash.prefix().matches(digest),
            Self::Extension(endings) => endings.iter().any(|ending| folded_path.ends_with(ending.as_str())),
            Self::Size(range) => range.contains(&size),
            Self::Digest(prefix) => prefix.matches(digest),
            Self::All(terms) => terms.iter().all(|term| term.matches(folded_path, size, digest)),
        }
    }
}

fn literal_term(text: &str) -> Option<Term> {
    let folded = fold(text);
    (!folded.is_empty()).then_some(Term::Word(folded))
}

fn word_terms(text: &str) -> Option<Term> {
    match split_words(text, fold) {
        SplitWords::Empty => None,
        SplitWords::Word(word) => Some(Term::Word(word)),
        SplitWords::Compound(compound) => Some(Term::Compound(compound)),
    }
}

/// Parses a text with asterisks, similar to a shell pattern: `*.flac`, `report*.pdf`, `*draft*`. The texts between
/// asterisks are required, and an extension after the last one must be the end of the name.
fn wildcard_terms(text: &str) -> Vec<Term> {
    let (before, last) = text.rsplit_once('*').unwrap_or(("", text));
    let mut terms: Vec<Term> = before.split('*').filter_map(word_terms).collect();
    let extension = last.strip_prefix('.').filter(|ending| !ending.contains('/')).map(fold);
    match extension.filter(|ending| !ending.is_empty()) {
        Some(ending) => terms.push(Term::Extension(vec![format!(".{ending}")])),
        None => terms.extend(word_terms(last)),
    }
    if terms.is_empty() {
        terms.push(Term::Everything);
    }
    terms
}

fn hash_word(text: &str) -> Option<Term> {
    let prefix = DigestPrefix::parse(text).ok()?;
    match prefix.digits() {
        DIGEST_DIGITS => Some(Term::Digest(prefix)),
        MIN_HASH_WORD.. => Some(Term::Hash(HashWord { word: fold(text), prefix })),
        _ => None,
    }
}

/// Parses comma-separated extensions, each with or without its dot.
fn extensions(value: &str, term: &str) -> Result<Vec<String>, QueryError> {
    let ending = |extension: &str| {
        let folded = fold(extension.strip_prefix('.').unwrap_or(extension));
        if folded.is_empty() || folded.contains('/') {
            return Err(QueryError::BadExtension { term: excerpt(term) });
        }
        Ok(format!(".{folded}"))
    };
    value.split(',').map(ending).collect()
}

fn digest(value: &str, term: &str) -> Result<DigestPrefix, QueryError> {
    DigestPrefix::parse(value).map_err(|source| QueryError::BadDigest { term: excerpt(term), source })
}
