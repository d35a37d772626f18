use super::shorten::shorten_file_name;
use crate::escape::is_unsafe_to_display;
use crate::limits::MAX_COMPONENT;

/// What stands for a name of which nothing is left.
const UNNAMED: &str = "unnamed";

/// The suffixes of files that a download keeps beside its target.
const OWN_SUFFIXES: [&str; 2] = [".part", ".part.json"];

/// Turns any file name into a single component that is safe to create on Linux.
///
/// Names that Linux can store stay as they are: with colons, backslashes, question marks, trailing dots and spaces, and
/// names that Windows reserves. What Linux cannot store, and what may not be shown (see [`crate::escape`]), becomes `_`.
/// So does a leading dot, so that nothing from outside is hidden or falls together with hidden state of our own. Names
/// that end like an unfinished download (`.part`, `.part.json`) get a `_` behind. Names over 255 bytes are shortened and
/// keep their extension. An empty name becomes `unnamed`.
///
/// The result is never changed by a second call. Different names may become the same one.
pub fn local_file_name(name: &str) -> String {
    let replaced: String = name.chars().map(|c| if is_unstorable(c) { '_' } else { c }).collect();
    let visible = without_leading_dot(&replaced);
    let finished = finish(&visible);
    if finished.len() <= MAX_COMPONENT {
        return finished;
    }
    // One byte is left for an underscore.
    finish(&shorten_file_name(&visible, MAX_COMPONENT - 1))
}

fn is_unstorable(character: char) -> bool {
    character == '/' || is_unsafe_to_display(character)
}

fn without_leading_dot(name: &str) -> String {
    let mut rest = name.chars();
    match rest.next() {
        None => UNNAMED.to_owned(),
        // Joiners too: a file system that ignores them sees the dot behind them first.
        Some('.' | '\u{200c}' | '\u{200d}') => format!("_{}", rest.as_str()),
        Some(_) => name.to_owned(),
    }
}

fn finish(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let behind = if OWN_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) { "_" } else { "" };
    format!("{name}{behind}")
}
