use super::digest_prefix::DigestPrefix;
use super::error::QueryError;
use super::size_range::parse_size_range;
use super::token::Token;
use crate::digest::Digest;
use crate::escape::excerpt;
use crate::fold::fold;
use std::ops::RangeInclusive;

/// The fewest hexadecimal digits that a bare word may mean a digest with; shorter ones are often words.
const MIN_HASH_WORD: usize = 8;

/// The digits of a whole digest: a bare word of so many means nothing else.
const WHOLE_DIGEST: usize = 64;

/// Holds a word that may be the start of a digest as well as a part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashWord {
    word: String,
    prefix: DigestPrefix,
}

impl HashWord {
    /// Gives the word as it would stand in a folded path.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Gives the word as the start of a digest.
    pub fn prefix(&self) -> &DigestPrefix {
        &self.prefix
    }
}

/// One condition on a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    /// Applies to every file.
    Everything,
    /// A part of the folded path.
    Word(String),
    /// A part of the folded path, or the start of the digest.
    Hash(HashWord),
    /// Endings of the folded path, with their dots, of which any will do.
    Extension(Vec<String>),
    Size(RangeInclusive<u64>),
    Digest(DigestPrefix),
}

impl Term {
    /// Reads a term, or nothing if there is nothing in it to look for.
    pub(super) fn parse(token: &Token<'_>) -> Result<Option<Self>, QueryError> {
        let text = token.text;
        if token.quoted {
            return Ok(word(text));
        }
        if text == "*" && !token.excluded {
            return Ok(Some(Self::Everything));
        }
        if let Some((key, value)) = text.split_once(':') {
            match key.to_ascii_lowercase().as_str() {
                "ext" => return extensions(value, text).map(|endings| Some(Self::Extension(endings))),
                "size" => return parse_size_range(value, text).map(|range| Some(Self::Size(range))),
                "sha256" | "digest" => return digest(value, text).map(|prefix| Some(Self::Digest(prefix))),
                _ => {}
            }
        }
        Ok(hash_word(text).or_else(|| word(text)))
    }

    /// Tells whether a file meets the condition.
    pub(super) fn applies(&self, folded_path: &str, size: u64, digest: &Digest) -> bool {
        match self {
            Self::Everything => true,
            Self::Word(word) => folded_path.contains(word.as_str()),
            Self::Hash(hash) => folded_path.contains(hash.word()) || hash.prefix().matches(digest),
            Self::Extension(endings) => endings.iter().any(|ending| folded_path.ends_with(ending.as_str())),
            Self::Size(range) => range.contains(&size),
            Self::Digest(prefix) => prefix.matches(digest),
        }
    }
}

fn word(text: &str) -> Option<Term> {
    let folded = fold(text);
    (!folded.is_empty()).then_some(Term::Word(folded))
}

fn hash_word(text: &str) -> Option<Term> {
    let prefix = DigestPrefix::parse(text).ok()?;
    match prefix.digits() {
        WHOLE_DIGEST => Some(Term::Digest(prefix)),
        MIN_HASH_WORD.. => Some(Term::Hash(HashWord { word: fold(text), prefix })),
        _ => None,
    }
}

/// Reads extensions between commas, each with or without its dot.
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
