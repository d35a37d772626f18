//! The texts in Rust sources: string literals and comments.

/// A text in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceText {
    /// The value of a string literal, with its escapes as they are written.
    Literal(String),
    /// A comment of any kind, without its marker.
    Comment(String),
}

/// Returns the string literals and comments of a source, in order. Byte strings and characters are left out.
pub fn source_texts(source: &str) -> Vec<SourceText> {
    let mut texts = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            let (line, behind) = comment.split_once('\n').unwrap_or((comment, ""));
            texts.push(SourceText::Comment(line.trim_start_matches(['/', '!']).trim().to_owned()));
            rest = behind;
        } else if let Some(comment) = rest.strip_prefix("/*") {
            let (text, behind) = comment.split_once("*/").unwrap_or((comment, ""));
            texts.push(SourceText::Comment(text.trim().to_owned()));
            rest = behind;
        } else if let Some((literal, behind)) = raw_string(rest) {
            texts.push(SourceText::Literal(literal.to_owned()));
            rest = behind;
        } else if first == '"' {
            let (literal, behind) = plain_string(&rest[1..]);
            texts.push(SourceText::Literal(join_lines(literal)));
            rest = behind;
        } else if first == '\'' {
            rest = behind_quote(rest);
        } else if first.is_alphanumeric() || first == '_' {
            // A letter before a quote belongs to the literal; a number or name is passed whole.
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let is_byte_string = &rest[..end] == "b" && rest[end..].starts_with('"');
            rest = if is_byte_string { plain_string(&rest[end + 1..]).1 } else { &rest[end..] };
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    texts
}

/// Splits a raw string off, if the source begins with one.
fn raw_string(source: &str) -> Option<(&str, &str)> {
    let hashes = source.strip_prefix("br").or_else(|| source.strip_prefix('r'))?;
    let text = hashes.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(hashes.len() - text.len()));
    text.strip_prefix('"')?.split_once(&end)
}

/// Splits a string off whose opening quote has been read.
fn plain_string(source: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in source.char_indices() {
        match c {
            '"' if !escaped => return (&source[..at], &source[at + 1..]),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    (source, "")
}

/// Joins the lines of a literal that end in a backslash, as the compiler does.
fn join_lines(literal: &str) -> String {
    let mut lines = literal.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start())
}

/// Returns what follows a character literal or a lifetime.
fn behind_quote(source: &str) -> &str {
    let inner = &source[1..];
    if let Some(escape) = inner.strip_prefix('\\') {
        let end =
            escape.char_indices().nth(1).and_then(|(at, _)| escape[at..].find('\'').map(|end| at + end));
        return end.map_or("", |end| &escape[end + 1..]);
    }
    let after = inner.chars().next().map_or(inner, |c| &inner[c.len_utf8()..]);
    after.strip_prefix('\'').unwrap_or(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_distinguished_from_code() {
        let source = [
            "//! Head \"quoted\".",
            "fn f<'a>(c: char) -> &'a str { // why",
            "    let _ = ['\"', '\\'', '\\\\', 'x'];",
            "    let _ = b\"bytes\";",
            "    let _ = r#\"raw \"text\"\"#;",
            "    \"one \\",
            "     two \\\"three\\\"\"",
            "}",
        ]
        .join("\n");
        let literal = |text: &str| SourceText::Literal(text.into());
        let comment = |text: &str| SourceText::Comment(text.into());
        assert_eq!(
            source_texts(&source),
            [
                comment("Head \"quoted\"."),
                comment("why"),
                literal("raw \"text\""),
                literal("one two \\\"three\\\""),
            ]
        );
    }
}
