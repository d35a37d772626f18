//! Splits texts into words: maximal runs of letters and digits.

/// Returns the words of a folded text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The position of a pattern within a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatternPosition {
    /// The pattern is the whole word.
    Whole,
    /// The word starts with the pattern.
    Beginning,
    /// The word ends with the pattern.
    End,
    /// The word contains the pattern.
    Inside,
}

/// A part of a query, consisting of letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WordPattern {
    pub(crate) text: String,
    pub(crate) position: PatternPosition,
}

impl WordPattern {
    /// Returns true if the word matches the pattern.
    pub(super) fn matches(&self, word: &str) -> bool {
        let text = self.text.as_str();
        match self.position {
            PatternPosition::Whole => word == text,
            PatternPosition::Beginning => word.starts_with(text),
            PatternPosition::End => word.ends_with(text),
            PatternPosition::Inside => word.contains(text),
        }
    }
}
