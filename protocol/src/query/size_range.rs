use super::error::QueryError;
use crate::escape::excerpt;
use crate::units::parse_size;
use std::ops::RangeInclusive;

/// Parses the value of `size:`: a comparison, a range with at most one open end, or an exact size.
///
/// Ranges are inclusive. `term` is quoted in errors.
pub(super) fn parse_size_range(text: &str, term: &str) -> Result<RangeInclusive<u64>, QueryError> {
    let size =
        |text: &str| parse_size(text).map_err(|source| QueryError::BadSize { term: excerpt(term), source });
    let end = |text: &str, open: u64| if text.is_empty() { Ok(open) } else { size(text) };
    let no_such_size = || QueryError::ImpossibleSize { term: excerpt(term) };
    let range = if let Some(low) = text.strip_prefix(">=") {
        size(low)?..=u64::MAX
    } else if let Some(high) = text.strip_prefix("<=") {
        0..=size(high)?
    } else if let Some(below) = text.strip_prefix('>') {
        size(below)?.checked_add(1).ok_or_else(no_such_size)?..=u64::MAX
    } else if let Some(above) = text.strip_prefix('<') {
        0..=size(above)?.checked_sub(1).ok_or_else(no_such_size)?
    } else if let Some((low, high)) = text.split_once("..").filter(|ends| *ends != ("", "")) {
        end(low, 0)?..=end(high, u64::MAX)?
    } else {
        let exact = size(text.strip_prefix('=').unwrap_or(text))?;
        exact..=exact
    };
    if range.is_empty() { Err(no_such_size()) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<RangeInclusive<u64>, QueryError> {
        parse_size_range(text, text)
    }

    #[test]
    fn comparisons_ranges_and_exact_sizes_are_read() {
        for (text, expected) in [
            (">1k", 1025..=u64::MAX),
            (">=1k", 1024..=u64::MAX),
            ("<1k", 0..=1023),
            ("<=1k", 0..=1024),
            ("1k..2k", 1024..=2048),
            ("1.5k..2k", 1536..=2048),
            ("1k..", 1024..=u64::MAX),
            ("..1k", 0..=1024),
            ("1234", 1234..=1234),
            ("=0", 0..=0),
        ] {
            assert_eq!(range(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn invalid_sizes_are_refused() {
        for text in ["", ">", "..", "big", ">-1", "1k..x", "=>5", "1k...2k", "> 5x"] {
            assert!(matches!(range(text), Err(QueryError::BadSize { .. })), "{text}");
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for text in ["<0", ">18446744073709551615", "2k..1k"] {
            assert_eq!(range(text), Err(QueryError::ImpossibleSize { term: text.to_owned() }));
        }
    }
}
