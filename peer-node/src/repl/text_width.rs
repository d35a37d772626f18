//! How many columns of a terminal a text takes, and how it is cut to fewer.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Counts the columns that a text takes.
pub(crate) fn display_width(text: &str) -> usize {
    text.width()
}

/// Cuts a text to at most so many columns. What is left out is taken from the middle, since names begin and end with
/// what tells them apart, and an ellipsis stands for it.
pub(crate) fn truncate(text: &str, most: usize) -> String {
    if display_width(text) <= most {
        return text.to_owned();
    }
    let Some(room) = most.checked_sub(1) else { return String::new() };
    let behind = room / 3;
    let front = prefix_of_width(text, room - behind);
    let end = suffix_of_width(text.get(front.len()..).unwrap_or_default(), behind);
    let mut cut = format!("{front}…{end}");
    // A mark at the seam may have joined what it was not joined with before.
    while display_width(&cut) > most && cut.pop().is_some() {}
    cut
}

/// Cuts a path to at most so many columns: folders in front go first, and the file name last.
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

/// Returns how many columns a path takes at least if its last component is not cut.
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

/// Stands for folders that are left out.
const ELLIPSIS: &str = "…/";

fn strip_first_folder(path: &str) -> Option<&str> {
    path.split_once('/').map(|(_, below)| below).filter(|below| !below.is_empty())
}

/// Cuts a text to exactly so many columns: cut, or filled with spaces on the right.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let mut padded = truncate(text, width);
    padded.extend(std::iter::repeat_n(' ', width.saturating_sub(display_width(&padded))));
    padded
}

/// Does the same with the spaces on the left.
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
        // Marks stay with the letter in front of them.
        if character.width().unwrap_or(0) > 0 {
            start = at;
        }
    }
    text.get(start..).unwrap_or_default()
}

/// The most columns that a character adds; a selector of emoji form widens the one in front of it.
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
