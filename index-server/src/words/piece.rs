//! How a text falls into words: its longest runs of letters and digits.

/// Returns the words of a folded text, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// How a piece of what is searched for stands in a word of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
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
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) stand: Stand,
}

impl Piece {
    /// Says whether the piece stands in a word as it should.
    pub(super) fn is_in(&self, word: &str) -> bool {
        let piece = self.text.as_str();
        match self.stand {
            Stand::Whole => word == piece,
            Stand::Beginning => word.starts_with(piece),
            Stand::End => word.ends_with(piece),
            Stand::Inside => word.contains(piece),
        }
    }
}
