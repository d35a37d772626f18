use super::shorten::shorten_file_name;
use crate::escape::is_unsafe_to_display;
use crate::limits::MAX_COMPONENT;

/// The replacement for an empty name.
const UNNAMED: &str = "unnamed";

/// The suffixes of the files that a download keeps next to its target.
const OWN_SUFFIXES: [&str; 2] = [".part", ".part.json"];

/// Maps any file name to a single component that is safe to create on Linux.
///
/// Names that Linux can store are kept, including colons, backslashes, question marks, trailing dots and spaces, and
/// names that Windows reserves. Characters that Linux cannot store, or that are unsafe to display (see
/// [`crate::escape`]), become `_`. So does a leading dot, so that no name from the network is hidden or collides with
/// the node's hidden state. Names with the suffix of an unfinished download (`.part`, `.part.json`) get a trailing
/// `_`. Names over 255 bytes are shortened and keep their extension. An empty name becomes `unnamed`.
///
/// The mapping is idempotent. Different names may be mapped to the same one.
pub fn local_file_name(name: &str) -> String {
    let replaced: String = name.chars().map(|c| if is_unstorable(c) { '_' } else { c }).collect();
    let visible = without_leading_dot(&replaced);
    let finished = finish(&visible);
    if finished.len() <= MAX_COMPONENT {
        return finished;
    }
    // Leave one byte for an underscore.
    finish(&shorten_file_name(&visible, MAX_COMPONENT - 1))
}

fn is_unstorable(character: char) -> bool {
    character == '/' || is_unsafe_to_display(character)
}

fn without_leading_dot(name: &str) -> String {
    let mut rest = name.chars();
    match rest.next() {
        None => UNNAMED.to_owned(),
        // Joiners too: a file system that ignores them would see a dot after them as the first character.
        Some('.' | '\u{200c}' | '\u{200d}') => format!("_{}", rest.as_str()),
        Some(_) => name.to_owned(),
    }
}

fn finish(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let suffix = if OWN_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) { "_" } else { "" };
    format!("{name}{suffix}")
}
