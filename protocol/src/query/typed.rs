//! Stricter parsing of searches that users type, to catch mistyped options and filters.

use super::error::QueryError;
use super::token::{self, Token};
use super::{KEYS, Query};
use crate::escape::excerpt;

impl Query {
    /// Parses a search as typed by a user: like [`Query::parse`], but refuses unknown options and filters unless they
    /// are quoted.
    pub fn parse_typed(text: &str) -> Result<Self, QueryError> {
        let query = Self::parse(text)?;
        for token in token::split(text)? {
            check(&token)?;
        }
        Ok(query)
    }
}

fn check(token: &Token<'_>) -> Result<(), QueryError> {
    if token.quoted {
        return Ok(());
    }
    if token.excluded
        && token
            .text
            .strip_prefix('-')
            .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
    {
        return Err(QueryError::UnknownOption { option: excerpt(&format!("-{}", token.text)) });
    }
    match token.text.split_once(':') {
        Some((key, value)) if is_key(key) && !value.is_empty() && !is_known(key) => {
            Err(QueryError::UnknownKey { key: excerpt(key), term: excerpt(token.text) })
        }
        _ => Ok(()),
    }
}

/// Returns true if the text could be the name of a filter. A single letter is taken for a drive.
fn is_key(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_known(key: &str) -> bool {
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_options_and_filters_are_refused() {
        let error = |text: &str| Query::parse_typed(text).unwrap_err().to_string();
        assert_eq!(
            error("debian artist:foo"),
            "unknown filter artist:; use ext:, size:, sha256: or digest:, or search for the text in quotes: \"artist:foo\""
        );
        assert_eq!(
            error("--json debian"),
            "unknown option --json; search for the text in quotes: \"--json\""
        );
        assert!(error("a -http://x").contains("unknown filter http:"));
    }

    #[test]
    fn everything_else_is_searched_for() {
        for text in [
            "\"artist:foo\"",
            "x -\"--json\"",
            "EXT:iso",
            "Alien: Covenant",
            "12:30",
            "c:x",
            "\"--json\"",
            "a -- b",
            "x -y",
        ] {
            assert!(Query::parse_typed(text).is_ok(), "{text}");
        }
    }
}
