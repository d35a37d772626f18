//! Numbered names: `film (1).mkv` beside `film.mkv`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use protocol::limits::MAX_COMPONENT;

/// Returns the path with ` (number)` before its extension, or unchanged for 0. A name that would exceed the length limit of
/// file systems is shortened before the number.
pub(crate) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    debug_assert!(path.file_name().is_some(), "only a name can be numbered");
    let mut suffix = OsString::from(format!(" ({number})"));
    if let Some(extension) = path.extension() {
        suffix.push(".");
        suffix.push(extension);
    }
    let stem = path.file_stem().unwrap_or_default();
    let max_stem = MAX_COMPONENT.saturating_sub(suffix.len());
    let mut name = match stem.to_str() {
        Some(stem) => stem.get(..stem.floor_char_boundary(max_stem)).unwrap_or(stem).into(),
        None => stem.to_owned(),
    };
    name.push(suffix);
    path.with_file_name(name)
}
