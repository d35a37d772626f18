use std::iter;

/// How two parts of a compound word are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// By a separator: `_`, `-` or `.`.
    Separator,
    /// By a capital letter that begins a word: the `B` of `bigBuck`.
    Capital,
}

/// Several words typed as one: `big_buck-bunny`, `bigBuckBunny`. Each of them must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compound {
    first: String,
    /// The other parts, none of them empty, each with its joint to the previous part.
    rest: Vec<(Joint, String)>,
}

/// A text without whitespace, split into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SplitWords {
    /// No words, only separators.
    Empty,
    /// One word, folded.
    Word(String),
    /// Several words.
    Compound(Compound),
}

/// The maximum number of characters in a name between two parts of a compound word.
const MAX_GAP: usize = 4;

impl Compound {
    /// Returns the folded parts, each with two flags: whether a capital joins it to the previous part, and to the
    /// next.
    pub fn parts(&self) -> impl Iterator<Item = (&str, [bool; 2])> {
        let is_capital = |joint: Option<Joint>| joint == Some(Joint::Capital);
        let previous = iter::once(None).chain(self.rest.iter().map(|(joint, _)| Some(*joint)));
        let next = self.rest.iter().map(|(joint, _)| Some(*joint)).chain(iter::once(None));
        self.words()
            .zip(previous.zip(next))
            .map(move |(part, (previous, next))| (part, [is_capital(previous), is_capital(next)]))
    }

    /// Returns the folded parts, none of them empty.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        iter::once(self.first.as_str()).chain(self.rest.iter().map(|(_, part)| part.as_str()))
    }

    /// Returns true if a folded path contains all parts.
    pub(super) fn is_in(&self, folded_path: &str) -> bool {
        self.words().all(|part| folded_path.contains(part))
    }

    /// Returns the first part.
    pub(super) fn first(&self) -> &str {
        &self.first
    }

    /// Returns the length in bytes of the compound at the beginning of `text`, if it is there: its parts in order,
    /// separated by punctuation other than `/`, or adjacent where a capital joins them.
    pub(super) fn length_at(&self, text: &str) -> Option<usize> {
        let mut length = text.starts_with(&self.first).then_some(self.first.len())?;
        for (joint, part) in &self.rest {
            length += gap(text.get(length..)?, *joint, part)? + part.len();
        }
        Some(length)
    }
}

/// Returns the number of bytes before `part`, if it follows closely enough.
fn gap(text: &str, joint: Joint, part: &str) -> Option<usize> {
    if joint == Joint::Capital && text.starts_with(part) {
        return Some(0);
    }
    let mut gap = 0;
    for sign in text.chars().take(MAX_GAP) {
        if sign.is_alphanumeric() || sign == '/' {
            return None;
        }
        gap += sign.len_utf8();
        if text.get(gap..)?.starts_with(part) {
            return Some(gap);
        }
    }
    None
}

/// Splits a text into words at `_`, `-`, `.` and at capitals that begin a word, and folds each with `fold`.
pub(super) fn split_words(text: &str, fold: impl Fn(&str) -> String) -> SplitWords {
    let mut parts: Vec<(Joint, String)> = Vec::new();
    for (joint, piece) in split_parts(text) {
        let part = fold(piece);
        if !part.is_empty() {
            parts.push((joint, part));
        }
    }
    let mut parts = parts.into_iter();
    match (parts.next(), parts.len()) {
        (None, _) => SplitWords::Empty,
        (Some((_, word)), 0) => SplitWords::Word(word),
        (Some((_, first)), _) => SplitWords::Compound(Compound { first, rest: parts.collect() }),
    }
}

/// Returns the parts of a text, each with its joint to the previous part.
fn split_parts(text: &str) -> Vec<(Joint, &str)> {
    let mut pieces = Vec::new();
    for segment in text.split(is_separator) {
        let (mut from, mut joint) = (0, Joint::Separator);
        for at in word_capitals(segment) {
            pieces.push((joint, segment.get(from..at).unwrap_or_default()));
            (from, joint) = (at, Joint::Capital);
        }
        pieces.push((joint, segment.get(from..).unwrap_or_default()));
    }
    pieces
}

/// Returns the offsets of capitals that begin words: after a lower-case letter, or between a capital and a lower-case
/// letter, like the `S` of `HTTPServer`.
fn word_capitals(text: &str) -> Vec<usize> {
    let letters: Vec<(usize, char)> = text.char_indices().collect();
    // Each window has the letter before a candidate, the candidate, and the letter after it if there is one.
    let begins = |window: &[(usize, char)]| match window {
        [(_, before), (at, letter), behind @ ..] if letter.is_uppercase() => {
            let is_after_lowercase = before.is_lowercase();
            let is_last_capital =
                before.is_uppercase() && behind.first().is_some_and(|(_, next)| next.is_lowercase());
            (is_after_lowercase || is_last_capital).then_some(*at)
        }
        _ => None,
    };
    (0..letters.len()).filter_map(|at| begins(letters.get(at..letters.len().min(at + 3))?)).collect()
}

const fn is_separator(character: char) -> bool {
    matches!(character, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fold::fold;

    fn parts(text: &str) -> Vec<String> {
        match split_words(text, fold) {
            SplitWords::Empty => Vec::new(),
            SplitWords::Word(word) => vec![word],
            SplitWords::Compound(compound) => compound.words().map(ToOwned::to_owned).collect(),
        }
    }

    #[test]
    fn separators_and_capitals_separate_words() {
        for (text, expected) in [
            ("big_buck-bunny.mkv", vec!["big", "buck", "bunny", "mkv"]),
            ("bigBuckBunny", vec!["big", "buck", "bunny"]),
            ("HTTPServer", vec!["http", "server"]),
            ("S01E02", vec!["s01e02"]),
            ("NASA", vec!["nasa"]),
            (".tar.gz", vec!["tar", "gz"]),
            ("éÉté", vec!["e", "ete"]),
            ("-_.", vec![]),
            ("mp3", vec!["mp3"]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn compound_matches_consecutive_parts() {
        let SplitWords::Compound(compound) = split_words("big_buckBunny", fold) else {
            panic!("several words")
        };
        for (text, length) in [
            ("big_buck bunny.mkv", Some(14)),
            ("big - buckbunny", Some(15)),
            ("bigbuck bunny", None),
            ("big/buck bunny", None),
            ("big      buckbunny", None),
            ("a big buck bunny", None),
        ] {
            assert_eq!(compound.length_at(text), length, "{text}");
        }
        assert!(compound.is_in("bunny/buck/big"));
    }

    proptest! {
        #[test]
        fn only_separators_are_dropped(text in any::<String>(), near in "[aAbBÉé_.-]{0,20}") {
            for text in [text, near] {
                let kept: String = text.chars().filter(|letter| !is_separator(*letter)).collect();
                prop_assert_eq!(parts(&text).concat(), fold(&kept));
                if let SplitWords::Compound(compound) = split_words(&text, fold) {
                    prop_assert!(compound.words().all(|part| !part.is_empty()));
                    prop_assert!(compound.is_in(&fold(&text)));
                    let _ = compound.length_at(&fold(&text));
                }
            }
        }
    }
}
