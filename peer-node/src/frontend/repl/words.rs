//! Splits a command line into words, as shells do.
//!
//! White space separates words. A backslash makes the next character literal; single quotes make everything between them
//! literal; in double quotes a backslash is special only before `"` and `\`. Nothing is expanded.

use std::ops::Range;

/// One word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The text without quotes and escapes.
    pub(crate) text: String,
    /// Whether any part was quoted or escaped: such a word is a name, never an option or keyword.
    pub(crate) quoted: bool,
    /// The bytes of the line that the word covers, with its quotes.
    pub(crate) span: Range<usize>,
}

/// The words of a line that may be incomplete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScannedWords {
    /// The words; the last one may be incomplete.
    pub(crate) words: Vec<Word>,
    /// The open quote or trailing backslash, if any.
    pub(crate) open_quote: Option<char>,
}

/// Why a line cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    /// A quote is not closed.
    #[error("the quote {0} is not closed")]
    Unclosed(char),
    /// The line ends in a backslash.
    #[error("nothing follows the backslash at the end")]
    TrailingBackslash,
}

/// Splits a complete line.
pub(crate) fn split(line: &str) -> Result<Vec<Word>, SplitError> {
    let ScannedWords { words, open_quote } = scan(line);
    match open_quote {
        None => Ok(words),
        Some('\\') => Err(SplitError::TrailingBackslash),
        Some(quote) => Err(SplitError::Unclosed(quote)),
    }
}

/// Splits a line that may be incomplete.
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

/// Escapes a name so that it is parsed as one literal word.
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
