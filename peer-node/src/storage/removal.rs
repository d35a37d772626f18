use std::io;
use std::path::Path;

/// Removes a file, if it exists.
pub(crate) fn remove_if_exists(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file that is no longer needed. A failure is harmless and only logged.
pub(crate) fn remove_leftover(path: &Path) {
    if let Err(error) = remove_if_exists(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove a leftover file");
    }
}
