use std::io::{self, Read};

use super::super::exclusions::{IGNORE_FILE, MAX_IGNORE_FILE_SIZE, PatternError};
use crate::platform::FolderRef;

/// Reads the pattern file of a folder; `None` if it does not exist.
pub(super) fn read_patterns(folder: FolderRef<'_>) -> Result<Option<String>, PatternError> {
    let unreadable = |error: io::Error| PatternError::Unreadable(error.to_string());
    let file = match folder.open_entry(IGNORE_FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(unreadable)?,
    };
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(PatternError::Unreadable("not a regular file".to_owned()));
    }
    let mut text = String::new();
    file.take(MAX_IGNORE_FILE_SIZE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_IGNORE_FILE_SIZE {
        return Err(PatternError::Unreadable(format!("larger than {} KiB", MAX_IGNORE_FILE_SIZE / 1024)));
    }
    Ok(Some(text))
}
