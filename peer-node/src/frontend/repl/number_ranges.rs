//! Row numbers as typed: `7`, `3-5`, `1,4-6`.

use std::fmt;
use std::ops::RangeInclusive;

/// The row numbers of one word, each at least 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberRanges(Vec<RangeInclusive<u32>>);

/// Why a word that looks like numbers is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberRangesError {
    /// The number is 0.
    #[error("there is no number 0; the list begins at 1")]
    Zero,
    /// A range runs backwards.
    #[error("the range {0} runs backwards; write the smaller number first")]
    Backwards(String),
    /// A number has too many digits.
    #[error("the number {0} is too large")]
    TooLarge(String),
}

impl NumberRanges {
    /// Parses a word; `None` if it does not look like numbers.
    pub(crate) fn parse(word: &str) -> Option<Result<Self, NumberRangesError>> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_part = |part: &str| match part.split_once('-') {
            Some((from, to)) => is_number(from) && is_number(to),
            None => is_number(part),
        };
        word.split(',')
            .all(is_part)
            .then(|| word.split(',').map(parse_range).collect::<Result<_, _>>().map(Self))
    }

    /// Returns the ranges in the order in which they were typed.
    pub(crate) fn ranges(&self) -> Vec<RangeInclusive<u32>> {
        self.0.clone()
    }

    /// Returns the numbers in the order in which they were typed; an error with the first one above `last`, if any is.
    pub(crate) fn up_to(&self, last: u32) -> Result<impl Iterator<Item = u32>, u32> {
        match self.0.iter().find(|range| *range.end() > last) {
            Some(range) => Err((*range.start()).max(last.saturating_add(1))),
            None => Ok(self.0.iter().cloned().flatten()),
        }
    }
}

impl fmt::Display for NumberRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let (from, to) = (range.start(), range.end());
            if from == to { write!(f, "{comma}{from}")? } else { write!(f, "{comma}{from}-{to}")? }
        }
        Ok(())
    }
}

fn parse_range(part: &str) -> Result<RangeInclusive<u32>, NumberRangesError> {
    let (from, to) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (parse_number(from)?, parse_number(to)?);
    if first > last { Err(NumberRangesError::Backwards(part.to_owned())) } else { Ok(first..=last) }
}

fn parse_number(text: &str) -> Result<u32, NumberRangesError> {
    match text.parse() {
        Ok(0) => Err(NumberRangesError::Zero),
        Ok(number) => Ok(number),
        Err(_) => Err(NumberRangesError::TooLarge(protocol::escape::excerpt(text))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(word: &str) -> Vec<u32> {
        NumberRanges::parse(word).unwrap().unwrap().up_to(100).unwrap().collect()
    }

    #[test]
    fn numbers_ranges_and_lists_are_read() {
        assert_eq!(listed("7"), [7]);
        assert_eq!(listed("3-5"), [3, 4, 5]);
        assert_eq!(listed("9,1-2,2"), [9, 1, 2, 2]);
    }

    #[test]
    fn non_numeric_words_are_not_parsed() {
        for name in ["", "a", "-", "3-", "-3", "1-2-3", "3..5", "1,", "a.iso", "²"] {
            assert_eq!(NumberRanges::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn invalid_numbers_are_rejected() {
        let error = |word: &str| NumberRanges::parse(word).unwrap().unwrap_err();
        assert_eq!(error("0"), NumberRangesError::Zero);
        assert_eq!(error("5-3"), NumberRangesError::Backwards("5-3".into()));
        assert_eq!(error("99999999999"), NumberRangesError::TooLarge("99999999999".into()));
    }

    #[test]
    fn number_beyond_the_list_is_reported_without_iterating() {
        let all = NumberRanges::parse("2-4294967295").unwrap().unwrap();
        assert_eq!(all.up_to(10).err(), Some(11));
        assert_eq!(NumberRanges::parse("20").unwrap().unwrap().up_to(10).err(), Some(20));
    }

    proptest! {
        #[test]
        fn displayed_ranges_round_trip(ranges in prop::collection::vec((1_u32..1000, 0_u32..50), 1..5)) {
            let numbers = NumberRanges(ranges.into_iter().map(|(from, more)| from..=from + more).collect());
            prop_assert_eq!(NumberRanges::parse(&numbers.to_string()), Some(Ok(numbers)));
        }

        #[test]
        fn no_word_panics(word in any::<String>(), near in "[0-9,-]{0,25}") {
            let _ = NumberRanges::parse(&word);
            let _ = NumberRanges::parse(&near);
        }
    }
}
