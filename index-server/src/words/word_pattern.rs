//! How a text falls into words: its longest runs of letters and digits.

/// Returns the words of a folded text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// How a piece of what is searched for stands in a word of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatternPosition {
    /// It is the word.
    Whole,
    /// The word begins with it.
    Beginning,
    /// The word ends with it.
    End,
    /// The word contains it.
    Inside,
}

/// A piece of what is searched for, without anything but letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WordPattern {
    pub(crate) text: String,
    pub(crate) position: PatternPosition,
}

impl WordPattern {
    /// Says whether the piece stands in a word as it should.
    pub(super) fn matches(&self, word: &str) -> bool {
        let piece = self.text.as_str();
        match self.position {
            PatternPosition::Whole => word == piece,
            PatternPosition::Beginning => word.starts_with(piece),
            PatternPosition::End => word.ends_with(piece),
            PatternPosition::Inside => word.contains(piece),
        }
    }
}
