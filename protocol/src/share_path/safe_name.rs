use crate::escape::is_unsafe_to_display;

/// The maximum length of a result in bytes, which leaves room for suffixes such as ` (1)` and `.part.json`.
const MAX_LEN: usize = 200;

/// The length to which names over [`MAX_LEN`] are cut, which leaves room for one underscore at each end.
const TRUNCATED_LEN: usize = MAX_LEN - 2;

/// The maximum length of an extension that is kept when a name is cut, in bytes with its dot.
const MAX_EXTENSION: usize = 32;

/// The replacement for an empty name.
const UNNAMED: &str = "unnamed";

/// The suffixes of the files that a download keeps next to its target.
const OWN_SUFFIXES: [&str; 2] = [".part", ".part.json"];

/// Maps any file name to a single component that is safe to create on every system.
///
/// Folder separators, characters that are special on some system, and characters that are unsafe to display (see
/// [`crate::escape`]) become `_`. Leading spaces, trailing spaces and trailing dots are removed. A leading dot or `~`
/// becomes `_`, so that no name from the network is hidden or collides with the node's hidden state. Names of Windows
/// devices (`CON`, `nul.txt`) get a leading `_`, names with the suffix of an unfinished download (`.part`,
/// `.part.json`) a trailing `_`. Long names are cut to at most 200 bytes and keep their extension. An empty result
/// becomes `unnamed`.
///
/// The mapping is idempotent. Different names may be mapped to the same one.
pub fn safe_file_name(name: &str) -> String {
    let name = portable(name);
    let finished = finish(&name);
    if finished.len() <= MAX_LEN { finished } else { finish(&truncate(&name)) }
}

/// Replaces and trims unsafe characters; the result is not empty, not hidden and not blank at either end.
fn portable(name: &str) -> String {
    let replaced: String = name.chars().map(|c| if is_unportable(c) { '_' } else { c }).collect();
    let trimmed = trim_end(replaced.trim_start());
    let mut rest = trimmed.chars();
    match rest.next() {
        None => UNNAMED.to_owned(),
        // Joiners too: a file system that ignores them would see a dot after them as the first character.
        Some('.' | '~' | '\u{200c}' | '\u{200d}') => format!("_{}", rest.as_str()),
        Some(_) => trimmed.to_owned(),
    }
}

fn is_unportable(character: char) -> bool {
    matches!(character, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*')
        || is_unsafe_to_display(character)
}

fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|c: char| c == '.' || c.is_whitespace())
}

/// Adds at most one underscore at each end; idempotent.
fn finish(name: &str) -> String {
    let prefix = if is_device_name(name) { "_" } else { "" };
    let lower = name.to_ascii_lowercase();
    let suffix = if OWN_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) { "_" } else { "" };
    format!("{prefix}{name}{suffix}")
}

/// Returns true if Windows would open a device by this name; extensions, and spaces before them, are ignored.
fn is_device_name(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(base.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let port = base.strip_prefix("COM").or_else(|| base.strip_prefix("LPT")).unwrap_or_default();
    let mut digits = port.chars();
    matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Shortens a name to at most [`TRUNCATED_LEN`] bytes at a character boundary, before its extension if it has one.
fn truncate(name: &str) -> String {
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= MAX_EXTENSION).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let (kept, _) = stem.split_at(stem.floor_char_boundary(TRUNCATED_LEN.saturating_sub(extension.len())));
    format!("{}{extension}", trim_end(kept))
}
