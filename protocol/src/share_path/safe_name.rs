use crate::escape::is_unsafe_to_display;

/// The longest name that is handed out, in bytes: leaves room for suffixes such as ` (1)` and `.part.json`.
const MAX_LEN: usize = 200;

/// The length a name over [`MAX_LEN`] is cut to: one underscore may still come in front, and one behind.
const TRUNCATED_LEN: usize = MAX_LEN - 2;

/// The longest extension, with its dot, that is kept when a name is cut, in bytes.
const MAX_EXTENSION: usize = 32;

/// What stands for a name of which nothing is left.
const UNNAMED: &str = "unnamed";

/// The suffixes of files that a download keeps beside its target.
const OWN_SUFFIXES: [&str; 2] = [".part", ".part.json"];

/// Turns any file name into a single component that is safe to create on every system.
///
/// What separates folders, is special to some system, or may not be shown (see [`crate::escape`]) becomes `_`. Leading
/// spaces, trailing spaces and trailing dots go. A leading dot or `~` becomes `_`, so that nothing from outside is
/// hidden or falls together with hidden state of our own. Names of Windows devices (`CON`, `nul.txt`) get a `_` in
/// front, names that end like an unfinished download (`.part`, `.part.json`) one behind. Long names are cut to at most
/// 200 bytes and keep their extension. Nothing left means `unnamed`.
///
/// A name that is already safe stays as it is. Different names may become the same one.
pub fn safe_file_name(name: &str) -> String {
    let name = portable(name);
    let finished = finish(&name);
    if finished.len() <= MAX_LEN { finished } else { finish(&truncate(&name)) }
}

/// Replaces and trims what no name should hold; the result is not empty and has neither a hidden nor a blank end.
fn portable(name: &str) -> String {
    let replaced: String = name.chars().map(|c| if is_unportable(c) { '_' } else { c }).collect();
    let trimmed = trim_end(replaced.trim_start());
    let mut rest = trimmed.chars();
    match rest.next() {
        None => UNNAMED.to_owned(),
        // Joiners too: a file system that ignores them sees the dot behind them first.
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

/// Adds at most one underscore in front and one behind; a name that has them gets no more.
fn finish(name: &str) -> String {
    let front = if is_device_name(name) { "_" } else { "" };
    let lower = name.to_ascii_lowercase();
    let behind = if OWN_SUFFIXES.iter().any(|suffix| lower.ends_with(suffix)) { "_" } else { "" };
    format!("{front}{name}{behind}")
}

/// Tells whether Windows would open a device by this name; extensions and spaces before them do not count.
fn is_device_name(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(base.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let port = base.strip_prefix("COM").or_else(|| base.strip_prefix("LPT")).unwrap_or_default();
    let mut digits = port.chars();
    matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Shortens a name to [`TRUNCATED_LEN`] bytes between characters, in front of its extension if it has one.
fn truncate(name: &str) -> String {
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= MAX_EXTENSION).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let (kept, _) = stem.split_at(stem.floor_char_boundary(TRUNCATED_LEN.saturating_sub(extension.len())));
    format!("{}{extension}", trim_end(kept))
}
