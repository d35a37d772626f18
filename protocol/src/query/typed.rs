//! What is refused when a person types it, although it can be searched for: it looks like something else.

use super::error::QueryError;
use super::token::{self, Token};
use super::{KEYS, Query};
use crate::escape::excerpt;

impl Query {
    /// Reads a search as a person typed it: like [`Query::parse`], but refuses options and filters that do not exist. In
    /// quotes they are searched for.
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

/// Returns true for what can be the name of a filter. A single letter is a drive.
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
            "unknown filter artist:; there are ext:, size:, sha256: and digest: (in quotes it is searched for: \"artist:foo\")"
        );
        assert_eq!(
            error("--json debian"),
            "unknown option --json (in quotes it is searched for: \"--json\")"
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
