use super::error::QueryError;
use crate::escape::excerpt;
use crate::limits::MAX_QUERY_TERMS;

/// One term as typed, without its minus and quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) excluded: bool,
    pub(super) quoted: bool,
    pub(super) text: &'a str,
}

/// Splits a search into terms. A quote counts only at the start of a term, and the closing quote ends the term.
pub(super) fn split(text: &str) -> Result<Vec<Token<'_>>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if tokens.len() == MAX_QUERY_TERMS {
            return Err(QueryError::TooManyTerms { limit: MAX_QUERY_TERMS });
        }
        let (token, remainder) = next_token(rest)?;
        tokens.push(token);
        rest = remainder.trim_start();
    }
    Ok(tokens)
}

/// Splits the first term off a text that does not begin with whitespace.
fn next_token(text: &str) -> Result<(Token<'_>, &str), QueryError> {
    let negated = text.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| !c.is_whitespace()));
    let (excluded, body) = (negated.is_some(), negated.unwrap_or(text));
    if let Some(quoted) = body.strip_prefix('"') {
        let unclosed = || QueryError::UnclosedQuote { term: excerpt(body) };
        let (text, behind) = quoted.split_once('"').ok_or_else(unclosed)?;
        return Ok((Token { excluded, quoted: true, text }, behind));
    }
    let (text, behind) = body.split_at(body.find(char::is_whitespace).unwrap_or(body.len()));
    Ok((Token { excluded, quoted: false, text }, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let sign = |token: &Token<'_>| if token.excluded { "-" } else { "+" };
        let mark = |token: &Token<'_>| if token.quoted { "'" } else { "" };
        let tokens = split(text).unwrap();
        tokens.iter().map(|token| format!("{}{}{}", sign(token), mark(token), token.text)).collect()
    }

    #[test]
    fn terms_are_split_at_white_space_and_quotes() {
        assert_eq!(shown("  a b\t\u{3000}c "), ["+a", "+b", "+c"]);
        assert_eq!(shown("\"a b\" c"), ["+'a b", "+c"]);
        assert_eq!(shown("-a -\"b c\" -ext:iso"), ["-a", "-'b c", "-ext:iso"]);
        assert_eq!(shown("\"a\"b\"\""), ["+'a", "+b\"\""]);
        assert_eq!(shown(""), Vec::<String>::new());
    }

    #[test]
    fn lone_minus_is_a_word() {
        assert_eq!(shown("artist - title -"), ["+artist", "+-", "+title", "+-"]);
        assert_eq!(shown("--a"), ["--a"]);
    }
}
