//! Escaping of untrusted text for display: on a terminal, in a log, in a listing.
//!
//! A name chosen by another user may contain terminal commands, line breaks, or characters that reverse or hide
//! adjacent text. All of them are escaped here. Letters that merely look alike are kept.
//!
//! Escaping is for display only and not reversible: a backslash is not escaped, so that ordinary text stays
//! unchanged, and a name that contains the six characters `\u{7f}` looks like one with the control character. Names
//! are compared, stored and sent unescaped.

use std::borrow::Cow;
use std::fmt::Write;

/// The maximum number of characters that [`excerpt`] keeps.
const EXCERPT_LEN: usize = 60;

/// Escapes every character that could break the line, control the terminal, reorder the text or be invisible.
///
/// Line feed, carriage return and tab become `\n`, `\r` and `\t`; other characters are escaped by code point, like
/// `\u{202e}`. Joiners (U+200C, U+200D) and variation selectors are kept, because Persian words and emoji need them.
pub fn display_safe(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe_to_display) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            other if is_unsafe_to_display(other) => shown.extend(other.escape_unicode()),
            other => shown.push(other),
        }
    }
    Cow::Owned(shown)
}

/// Like [`display_safe`], for a name that need not be UTF-8; an invalid byte is escaped like `\xff`.
pub fn display_safe_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&display_safe(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Returns the beginning of a text for a message: display-safe, and at most 60 characters before escaping.
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_LEN) {
        Some((end, _)) => format!("{}…", display_safe(text.get(..end).unwrap_or_default())),
        None => display_safe(text).into_owned(),
    }
}

/// Escapes the same characters in a JSON document with JSON escapes, so that parsing yields the original text.
///
/// They only occur within strings, because everything outside them is printable ASCII and line feeds, which are kept.
pub fn json_safe(json: &str) -> Cow<'_, str> {
    let is_unsafe = |character| character != '\n' && is_unsafe_to_display(character);
    if !json.contains(is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if !is_unsafe(character) {
            shown.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    Cow::Owned(shown)
}

/// Returns true if a character must be escaped before display.
pub(crate) fn is_unsafe_to_display(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let noncharacter = u32::from(character) & 0xfffe == 0xfffe;
    noncharacter
        || matches!(
            character,
            '\u{80}'..='\u{9f}'           // C1 controls
            | '\u{ad}'                    // soft hyphen
            | '\u{61c}'                   // Arabic letter mark
            | '\u{180e}'                  // Mongolian vowel separator
            | '\u{200b}'                  // zero-width space
            | '\u{200e}' | '\u{200f}'     // direction marks
            | '\u{2028}'..='\u{202e}'     // line and paragraph separators, bidi embeddings and overrides
            | '\u{2060}'..='\u{206f}'     // word joiner, invisible operators, bidi isolates
            | '\u{fdd0}'..='\u{fdef}'     // noncharacters
            | '\u{feff}'                  // byte order mark
            | '\u{fff9}'..='\u{fffb}'     // interlinear annotation
            | '\u{e0000}'..='\u{e007f}'   // tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_is_borrowed() {
        for text in ["", "holiday.iso", "a\\b", "naïve – 日本語", "👩\u{200d}🚀 ❤\u{fe0f}", "می\u{200c}خواهم"]
        {
            assert!(matches!(display_safe(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn controls_are_escaped() {
        assert_eq!(display_safe("a\nb\tc\rd"), "a\\nb\\tc\\rd");
        assert_eq!(display_safe("\u{1b}[2J\u{0}\u{7f}\u{9b}"), "\\u{1b}[2J\\u{0}\\u{7f}\\u{9b}");
    }

    #[test]
    fn reordering_and_hidden_characters_are_escaped() {
        assert_eq!(display_safe("exe.\u{202e}gpj"), "exe.\\u{202e}gpj");
        let bidi = "\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}";
        let hiding = "\u{200b}\u{2060}\u{feff}\u{e0041}\u{ffff}\u{10fffe}\u{fdd0}";
        let breaking = "\u{85}\u{2028}\u{2029}";
        for mark in [bidi, hiding, breaking].concat().chars() {
            assert_eq!(display_safe(&mark.to_string()), mark.escape_unicode().to_string());
        }
    }

    #[test]
    fn private_use_characters_are_kept() {
        assert_eq!(display_safe("\u{e000}\u{f8ff}"), "\u{e000}\u{f8ff}");
    }

    #[test]
    fn invalid_utf8_is_shown_in_hexadecimal() {
        assert_eq!(display_safe_bytes(b"caf\xe9 \xff\n"), "caf\\xe9 \\xff\\n");
        assert_eq!(display_safe_bytes("café".as_bytes()), "café");
    }

    #[test]
    fn excerpts_are_truncated_and_escaped() {
        assert_eq!(excerpt("a\u{7}"), "a\\u{7}");
        assert_eq!(excerpt(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
        assert_eq!(excerpt(&"é".repeat(60)), "é".repeat(60));
    }

    #[test]
    fn escaped_json_keeps_its_meaning() {
        assert_eq!(json_safe("{\n  \"a\": \"é\"\n}"), "{\n  \"a\": \"é\"\n}");
        assert_eq!(json_safe("\"\u{9b}\u{202e}\u{7f}\u{e0041}\""), r#""\u009b\u202e\u007f\udb40\udc41""#);
    }

    proptest! {
        #[test]
        fn escaped_json_round_trips(text in any::<String>(), key in any::<String>()) {
            let value = serde_json::json!({ key: [text] });
            for json in [format!("{value}"), format!("{value:#}")] {
                let safe = json_safe(&json);
                prop_assert!(!safe.contains(|character| character != '\n' && is_unsafe_to_display(character)));
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&safe).unwrap(), &value);
            }
        }

        #[test]
        fn no_unsafe_character_is_left(text in any::<String>(), bytes: Vec<u8>) {
            prop_assert!(!display_safe(&text).contains(is_unsafe_to_display));
            prop_assert!(!display_safe_bytes(&bytes).contains(is_unsafe_to_display));
            prop_assert!(!excerpt(&text).contains(is_unsafe_to_display));
        }

        #[test]
        fn escaping_is_idempotent(text in any::<String>()) {
            let once = display_safe(&text).into_owned();
            prop_assert_eq!(display_safe(&once), once.as_str());
        }
    }
}
