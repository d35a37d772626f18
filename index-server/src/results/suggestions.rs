/// A word of a query that occurs in no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownWord {
    /// The word, folded.
    pub(crate) word: String,
    /// Similarly spelled words that occur, the most likely one first.
    pub(crate) alternatives: Vec<String>,
}
