//! Cuts a command line into words, as shells do.
//!
//! White space separates words. A backslash takes the character behind it as it is; single quotes take all that they
//! enclose as it is; in double quotes a backslash counts only in front of `"` and `\`. Nothing is ever expanded.

use std::ops::Range;

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// What it says, without its quotes.
    pub(crate) text: String,
    /// Whether any of it was quoted or escaped: such a word is a name and nothing else.
    pub(crate) quoted: bool,
    /// Where it stands in the line, quotes included, in bytes.
    pub(crate) span: Range<usize>,
}

/// A line as far as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScannedWords {
    /// The words, the last one perhaps unfinished.
    pub(crate) words: Vec<Word>,
    /// The quote or backslash that waits for more.
    pub(crate) open_quote: Option<char>,
}

/// Why a line cannot be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    /// A quote is opened and not closed.
    #[error("the quote {0} is not closed")]
    Unclosed(char),
    /// The line ends in a backslash.
    #[error("nothing follows the backslash at the end")]
    TrailingBackslash,
}

/// Cuts a whole line.
pub(crate) fn split(line: &str) -> Result<Vec<Word>, SplitError> {
    let ScannedWords { words, open_quote: open } = scan(line);
    match open {
        None => Ok(words),
        Some('\\') => Err(SplitError::TrailingBackslash),
        Some(quote) => Err(SplitError::Unclosed(quote)),
    }
}

/// Cuts a line that may still be being typed.
pub(crate) fn scan(line: &str) -> ScannedWords {
    let mut words = Vec::new();
    let mut characters = line.char_indices().peekable();
    loop {
        while characters.next_if(|(_, character)| character.is_whitespace()).is_some() {}
        let Some(&(start, _)) = characters.peek() else { return ScannedWords { words, open_quote: None } };
        let mut word = Word { text: String::new(), quoted: false, span: start..line.len() };
        let mut open = None;
        while let Some((at, character)) = characters.next() {
            match (open, character) {
                (None, space) if space.is_whitespace() => {
                    word.span.end = at;
                    break;
                }
                (None, '"' | '\'' | '\\') => {
                    word.quoted = true;
                    open = Some(character);
                    if character == '\\'
                        && let Some((_, taken)) = characters.next()
                    {
                        word.text.push(taken);
                        open = None;
                    }
                }
                (Some(quote), same) if same == quote => open = None,
                (Some('"'), '\\') => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                    Some((_, taken)) => word.text.push(taken),
                    None => word.text.push('\\'),
                },
                (_, other) => word.text.push(other),
            }
        }
        words.push(word);
        if open.is_some() {
            return ScannedWords { words, open_quote: open };
        }
    }
}

/// Writes a name so that it is read as that one word and nothing else.
pub(crate) fn escape(name: &str) -> String {
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    let special = |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | '\\');
    let mut escaped = String::with_capacity(name.len() + 4);
    if matches!(name, "as" | "from" | "&") {
        escaped.push('\\');
    }
    for character in name.chars() {
        if special(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_cut_at_white_space_outside_quotes() {
        assert_eq!(texts("  get 1\t3-5 "), ["get", "1", "3-5"]);
        assert_eq!(texts(r#"get "my file.iso" as 'a b'"#), ["get", "my file.iso", "as", "a b"]);
        assert_eq!(texts(r"get my\ file.iso a\\b"), ["get", "my file.iso", "a\\b"]);
        assert_eq!(texts(r#"a"b c"d '' "x\"y\z""#), ["ab cd", "", r#"x"y\z"#]);
        assert_eq!(texts("   "), Vec::<String>::new());
    }

    #[test]
    fn words_know_their_quoting_and_span() {
        let words = split(r#"get "a b" 7"#).unwrap();
        let seen: Vec<_> = words.iter().map(|word| (word.quoted, word.span.clone())).collect();
        assert_eq!(seen, [(false, 0..3), (true, 4..9), (false, 10..11)]);
    }

    #[test]
    fn unclosed_quotes_are_reported() {
        assert_eq!(split("get \"a"), Err(SplitError::Unclosed('"')));
        assert_eq!(split("get 'a\""), Err(SplitError::Unclosed('\'')));
        assert_eq!(split("get a\\"), Err(SplitError::TrailingBackslash));
        let typed = scan("get \"my fi");
        assert_eq!((typed.words[1].text.as_str(), typed.open_quote), ("my fi", Some('"')));
    }

    proptest! {
        #[test]
        fn an_escaped_name_is_read_back_as_one_word(name in any::<String>()) {
            let words = split(&escape(&name)).unwrap();
            prop_assert_eq!(words.len(), 1);
            prop_assert_eq!(&words[0].text, &name);
        }

        #[test]
        fn no_line_panics_and_spans_lie_in_it(line in any::<String>(), near in "[ab \"'\\\\]{0,30}") {
            for line in [line, near] {
                for word in scan(&line).words {
                    prop_assert!(line.get(word.span).is_some());
                }
            }
        }
    }
}
