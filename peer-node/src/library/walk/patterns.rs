use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::super::exclusions::{IGNORE_FILE, MAX_IGNORE_FILE_SIZE, PatternError};

/// Reads the pattern file of a folder; `None` if it does not exist.
pub(super) fn read_patterns(folder: BorrowedFd<'_>) -> Result<Option<String>, PatternError> {
    let unreadable = |error: std::io::Error| PatternError::Unreadable(error.to_string());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, IGNORE_FILE, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(unreadable(errno.into())),
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
