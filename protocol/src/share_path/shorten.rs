/// The maximum length of an extension that is kept when a name is shortened, in bytes with its dot.
const MAX_EXTENSION: usize = 32;

/// Shortens a file name to at most `limit` bytes at a character boundary. The name is cut before the extension, which
/// is kept with its dot if it has at most 32 bytes and leaves at least one byte for the rest.
///
/// Trailing spaces of the cut stem are removed. The result is not empty if the limit allows one character.
pub fn shorten_file_name(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let longest = MAX_EXTENSION.min(limit.saturating_sub(1));
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= longest).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let (kept, _) = stem.split_at(stem.floor_char_boundary(limit.saturating_sub(extension.len())));
    if kept.is_empty() {
        return name.split_at(name.floor_char_boundary(limit)).0.to_owned();
    }
    let trimmed = kept.trim_end();
    format!("{}{extension}", if trimmed.is_empty() { kept } else { trimmed })
}
