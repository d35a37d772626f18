//! The width of text in terminal columns, and truncation to a width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Returns the width of a text in columns.
pub(crate) fn display_width(text: &str) -> usize {
    text.width()
}

/// Truncates a text to at most `most` columns. An ellipsis replaces the middle, because names differ at their start and end.
pub(crate) fn truncate(text: &str, most: usize) -> String {
    if display_width(text) <= most {
        return text.to_owned();
    }
    let Some(available) = most.checked_sub(1) else { return String::new() };
    let end_width = available / 3;
    let front = prefix_of_width(text, available - end_width);
    let end = suffix_of_width(text.get(front.len()..).unwrap_or_default(), end_width);
    let mut truncated = format!("{front}…{end}");
    // A combining mark at the seam may have changed the width.
    while display_width(&truncated) > most && truncated.pop().is_some() {}
    truncated
}

/// Truncates a path to at most `most` columns: leading folders first, the file name last.
pub(crate) fn truncate_path(path: &str, most: usize) -> String {
    if display_width(path) <= most {
        return path.to_owned();
    }
    let mut rest = path;
    while let Some(below) = strip_first_folder(rest) {
        rest = below;
        if display_width(rest) + display_width(ELLIPSIS) <= most {
            return format!("{ELLIPSIS}{rest}");
        }
    }
    truncate(rest, most)
}

/// Returns the minimum width of a path whose last component is not truncated.
pub(crate) fn min_path_width(path: &str) -> usize {
    let mut rest = path;
    while let Some(below) = strip_first_folder(rest) {
        rest = below;
    }
    if rest.len() == path.len() {
        display_width(path)
    } else {
        display_width(path).min(display_width(rest) + display_width(ELLIPSIS))
    }
}

/// Replaces the folders that are left out.
const ELLIPSIS: &str = "…/";

fn strip_first_folder(path: &str) -> Option<&str> {
    path.split_once('/').map(|(_, below)| below).filter(|below| !below.is_empty())
}

/// Truncates or pads a text to exactly `width` columns, with spaces on the right.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let mut padded = truncate(text, width);
    padded.extend(std::iter::repeat_n(' ', width.saturating_sub(display_width(&padded))));
    padded
}

/// Truncates or pads a text to exactly `width` columns, with spaces on the left.
pub(crate) fn pad_left(text: &str, width: usize) -> String {
    let cut = truncate(text, width);
    let spaces = width.saturating_sub(display_width(&cut));
    format!("{}{cut}", " ".repeat(spaces))
}

fn prefix_of_width(text: &str, most: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += char_width(*character);
        taken > most
    });
    end.map_or(text, |(at, _)| text.get(..at).unwrap_or_default())
}

fn suffix_of_width(text: &str, most: usize) -> &str {
    let mut taken = 0;
    let mut start = text.len();
    for (at, character) in text.char_indices().rev() {
        taken += char_width(character);
        if taken > most {
            break;
        }
        // Combining marks stay with the character before them.
        if character.width().unwrap_or(0) > 0 {
            start = at;
        }
    }
    text.get(start..).unwrap_or_default()
}

/// Returns the maximum number of columns that a character adds; an emoji variation selector widens the character before it.
fn char_width(character: char) -> usize {
    if character == '\u{fe0f}' { 1 } else { character.width().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_names_keep_their_start_and_end() {
        assert_eq!(truncate("debian-12.5.0-amd64-netinst.iso", 20), "debian-12.5.0…st.iso");
        assert_eq!(truncate("short.iso", 20), "short.iso");
        assert_eq!(truncate("abcdef", 1), "…");
        assert_eq!(truncate("abcdef", 0), "");
    }

    #[test]
    fn paths_lose_their_folders_first() {
        let path = "music/live/2024/track 10.flac";
        assert_eq!(truncate_path(path, 29), path);
        assert_eq!(truncate_path(path, 28), "…/live/2024/track 10.flac");
        assert_eq!(truncate_path(path, 20), "…/2024/track 10.flac");
        assert_eq!(truncate_path(path, 15), "…/track 10.flac");
        assert_eq!(
            (truncate_path(path, 13).as_str(), truncate_path(path, 12).as_str()),
            ("track 10.flac", "track 10…lac")
        );
        assert_eq!(truncate_path("music/live/", 8), "…/live/");
        assert_eq!((min_path_width(path), min_path_width("a/b"), min_path_width("live/")), (15, 3, 5));
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(display_width("日本語"), 6);
        assert_eq!(truncate("日本語日本語", 7), "日本…語");
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad_left("日本", 5), " 日本");
    }

    #[test]
    fn accents_stay_with_their_letters() {
        assert_eq!(truncate("aaaaaaaaaae\u{301}", 5), "aaa…e\u{301}");
    }

    proptest! {
        #[test]
        fn truncated_text_fits(text in any::<String>(), emoji in "[a-z❤👩🚀日é\u{fe0f}\u{200d}\u{301}]{0,30}", most in 0_usize..40) {
            for text in [text, emoji] {
                prop_assert!(display_width(&truncate(&text, most)) <= most);
                prop_assert!(display_width(&truncate_path(&text, most)) <= most);
                prop_assert!(min_path_width(&text) <= display_width(&text));
                prop_assert_eq!(display_width(&pad(&text, most)), most);
                prop_assert_eq!(display_width(&pad_left(&text, most)), most);
            }
        }
    }
}
