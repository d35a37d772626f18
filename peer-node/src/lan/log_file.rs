use super::ChunkFolder;
use crate::log::RotatingFile;

/// Appends a line to a log in the folder. A failure is only reported, because a log must not stop transfers.
pub(super) fn append_line(folder: &ChunkFolder, log: &str, line: &str) {
    match RotatingFile::open(folder.path().join(log)) {
        Ok(file) => file.append(format!("{line}\n").as_bytes()),
        Err(error) => tracing::warn!(log, %error, "log not written"),
    }
}
